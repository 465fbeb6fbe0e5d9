"""Calls taken by several processes of this machine, each with one thread."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from joblib import Parallel, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from zoo.checks.arguments import refusal

LOKY = {"backend": "loky", "inner_max_num_threads": 1}  # processes of this machine


def jobs_given(jobs: object) -> int:
    """How many calls are taken at a time, as joblib counts them: -1 is one for each core.

    Raises:
        ValueError: for anything else than a whole number, and for 0.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
        raise refusal("jobs", "a whole number, -1 for all cores", jobs, "Pass e.g. jobs=-1.")
    return jobs


def as_they_end(calls: Sequence[Any], workers: int) -> Iterator[Any]:
    """What joblib's delayed calls return, each as it ends, in whatever order."""
    with one_thread(), parallel_config(**LOKY), deaths_explained(workers):
        yield from Parallel(
            n_jobs=workers, batch_size=1, return_as="generator_unordered", max_nbytes=None
        )(calls)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch takes one thread, as every process does; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deaths_explained(workers: int) -> Iterator[None]:
    """Says what to do where a process was ended from outside.

    Raises:
        ChildProcessError: if one was.
    """
    try:
        yield
    except TerminatedWorkerError as error:
        raise ChildProcessError(
            "A process that took a run was ended from outside, as where memory is short. Runs "
            f"that ended are kept in the folder; go on with fewer than {workers} jobs."
        ) from error
