"""How a result came about: command, commit, versions and data."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, check_output

import torch

import zoo
from zoo.task import Task

VERSIONS = ("torch", "pyro-ppl", "numpy", "arviz")


def provenance(task: Task) -> dict[str, object]:
    """Command, commit, versions and data of a result, for its JSON."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": _commit(),
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


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    here = Path(__file__).parent
    try:
        found = check_output(["git", "rev-parse", "HEAD"], cwd=here, stderr=DEVNULL, text=True)
    except (CalledProcessError, FileNotFoundError):
        return ""
    return found.strip()
