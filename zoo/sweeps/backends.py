"""Where the runs of a sweep are taken: joblib's own backends, opened and closed."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs, parallel_config

from zoo.checks.arguments import look_up
from zoo.comparison.processes import LOKY, deaths_explained, one_thread
from zoo.errors import not_installed
from zoo.sweeps.jobs import Job, Outcome, take

Options = dict[str, Any]


def outcomes(jobs: Sequence[Job], workers: int, backend: str) -> Iterator[Outcome]:
    """What comes of jobs, each as it ends, in whatever order.

    Args:
        jobs: the runs to take.
        workers: how many at a time, as joblib counts them: -1 is one for each core.
        backend: a name of `BACKENDS`.

    Raises:
        ValueError: for an unknown backend, or one whose package is not installed.
    """
    opened, calls = look_up("backend", backend, BACKENDS), [delayed(take)(job) for job in jobs]
    count = min(effective_n_jobs(workers), len(jobs) or 1)
    with one_thread(), opened(count) as options, deaths_explained(workers):
        yield from (_in_rounds if backend == "ray" else _one_by_one)(calls, workers, options)


def _one_by_one(calls: Sequence[Any], workers: int, options: Options) -> Iterator[Outcome]:
    with parallel_config(**options):
        parallel = Parallel(
            n_jobs=workers, batch_size=1, return_as="generator_unordered", max_nbytes=None
        )
        found = parallel(calls)
    yield from found


def _in_rounds(calls: Sequence[Any], workers: int, options: Options) -> Iterator[Outcome]:
    """As many at a time as there are workers, since Ray gives all results of a call at once."""
    with parallel_config(**options):
        count = effective_n_jobs(workers)
        with Parallel(n_jobs=workers, batch_size=1, max_nbytes=None) as parallel:
            for first in range(0, len(calls), count):
                yield from parallel(calls[first : first + count])


@contextmanager
def _loky(workers: int) -> Iterator[Options]:
    """Processes of this machine, with one thread each."""
    yield LOKY


@contextmanager
def _threading(workers: int) -> Iterator[Options]:
    """Threads of this process."""
    yield {"backend": "threading"}


@contextmanager
def _dask(workers: int) -> Iterator[Options]:
    """The cluster of the current client or of DASK_SCHEDULER_ADDRESS, else one of this machine."""
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise not_installed("backend 'dask'", "dask[distributed]") from error
    try:
        Client.current()
    except ValueError:
        own = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        elsewhere = dask.config.get("scheduler-address", None) is not None
        with Client(**({} if elsewhere else own)):
            yield {"backend": "dask"}
    else:
        yield {"backend": "dask"}


@contextmanager
def _ray(workers: int) -> Iterator[Options]:
    """The cluster that is connected or that RAY_ADDRESS names, else one of this machine."""
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise not_installed("backend 'ray'", "ray") from error
    register_ray()
    begun = ray.is_initialized()
    if not begun:
        own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        ray.init(**own, log_to_driver=False)
    try:
        yield {"backend": "ray"}
    finally:
        if not begun:
            ray.shutdown()


BACKENDS: dict[str, Callable[[int], AbstractContextManager[Options]]] = {
    "loky": _loky,
    "threading": _threading,
    "dask": _dask,
    "ray": _ray,
}
