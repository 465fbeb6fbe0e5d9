"""How a result came about: command, commit, versions and data."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, check_output

import torch

from zoo.data.data import Data

VERSIONS = ("torch", "pyro-ppl", "numpy", "arviz")
PACKAGE = Path(__file__).resolve().parent


def provenance(data: Data) -> dict[str, object]:
    """Command, commit, versions and data of a result, for its JSON."""
    return {
        "command": command(),
        "commit": commit(),
        "versions": {"python": sys.version.split()[0], "pyro-zoo": _version("pyro-zoo")}
        | {name: _version(name) for name in VERSIONS},
        "threads": torch.get_num_threads(),
        "data": {
            "name": data.name,
            "binarize": data.binarize,
            "seed": data.seed,
            "hash": data.hash,
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
