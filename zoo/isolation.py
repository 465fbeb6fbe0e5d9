"""A room of its own for a run: whatever it does to global state is undone on the way out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import torch


@contextmanager
def isolated(*, seed: int | None = None) -> Iterator[None]:
    """Forks the random state, the parameter store, the validation flags and Pyro's settings.

    Inside, validation is off (it reads values off the device at every step) and Pyro modules
    keep their parameters to themselves.

    Args:
        seed: what to seed the forked random state with; None goes on from the caller's.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with (
        torch.random.fork_rng(devices=list(devices)),
        pyro.get_param_store().scope(),
        pyro.validation_enabled(is_validate=False),
        pyro.settings.context(module_local_params=True),
    ):
        if seed is not None:
            torch.manual_seed(seed)
        yield


@contextmanager
def in_double() -> Iterator[None]:
    """Inside, new tensors are float64: rounding is not to be taken for bias."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
