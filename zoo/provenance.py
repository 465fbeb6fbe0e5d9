"""How a result came about: command, commit, versions and data."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, check_output

import torch

import zoo
from zoo.task import Task

VERSIONS = ("torch", "pyro-ppl", "numpy", "arviz")
PACKAGE = Path(__file__).resolve().parent


def provenance(task: Task) -> dict[str, object]:
    """Command, commit, versions and data of a result, for its JSON."""
    return {
        "command": command(),
        "commit": commit(),
        "versions": {"python": sys.version.split()[0], "pyro-zoo": zoo.__version__}
        | {name: _version(name) for name in VERSIONS},
        "threads": torch.get_num_threads(),
        "data": {
            "name": task.data.name,
            "binarize": task.data.binarize,
            "seed": task.data.seed,
            "hash": task.data.hash,
        },
    }


def command() -> str:
    """The line that a shell runs this process by: `zoo ...`, or `python ...` with a script."""
    started = Path(sys.argv[0])
    if started.stem == "zoo" or started.resolve() == PACKAGE / "__main__.py":
        return shlex.join(["zoo", *sys.argv[1:]])
    return shlex.join(["python", *sys.orig_argv[1:]])


def commit() -> str | None:
    """The commit of the checkout that this package lies in; None if it was installed elsewhere.

    A repository that merely holds the environment, or that the caller stands in, does not count.
    """
    asked = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        found = check_output(asked, cwd=PACKAGE, stderr=DEVNULL, text=True).splitlines()
    except (CalledProcessError, OSError):
        return None
    top, name = found
    return name if Path(top).resolve() == PACKAGE.parent else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
