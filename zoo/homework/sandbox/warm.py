"""The warm process: it has imported torch, knows no secret, and forks a watcher for each part.

It is started by `Workers`, reads a job a line on standard input, and answers with a line.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from zoo.homework.sandbox.limits import Limits
from zoo.homework.sandbox.watch import answer


def _import_packages() -> None:
    import matplotlib
    import numpy  # noqa: F401
    import pyro.distributions  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch

    import guides  # noqa: F401
    import zoo  # noqa: F401

    matplotlib.use("agg")
    torch.set_num_threads(1)


def serve() -> None:
    """Answers jobs until standard input ends, then removes the folder of the jobs."""
    jobs = Path.cwd()
    _import_packages()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        watcher = os.fork()
        if watcher == 0:
            _answer(job, answers.fileno())
        os.waitpid(watcher, 0)
        print("done", file=answers, flush=True)
    shutil.rmtree(jobs, ignore_errors=True)


def _answer(job: dict, answers: int) -> None:
    """In the watcher: runs the job, answers and ends."""
    try:
        said = answer(Path(job["folder"]), Limits(**job["limits"]), contained=job["contained"])
        os.write(answers, said.encode() + b"\n")
    finally:
        os._exit(0)
