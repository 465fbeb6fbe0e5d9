"""A room of its own for a run: whatever it does to global state is undone on the way out."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pyro
import torch
from torch.distributions import Distribution

# Pyro's store, settings and handlers belong to the process: one thread at a time has the room.
# A process that was forked meanwhile has a lock of its own, which nobody holds.
_LOCKS: dict[int, threading.RLock] = {}
_CALLER_VALIDATES: ContextVar[bool | None] = ContextVar("caller validates", default=None)


@contextmanager
def isolated(*, seed: int | None = None) -> Iterator[None]:
    """Forks the random state, the parameter store, the validation flags and Pyro's settings.

    Inside, validation is off (it reads values off the device at every step) and Pyro modules
    keep their parameters to themselves. Other threads wait until the room is free.

    Args:
        seed: what to seed the forked random state with; None goes on from the caller's.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with (
        _LOCKS.setdefault(os.getpid(), threading.RLock()),
        _noted_validation(),
        torch.random.fork_rng(devices=list(devices)),
        pyro.get_param_store().scope(),
        pyro.validation_enabled(is_validate=False),
        pyro.settings.context(module_local_params=True),
    ):
        if seed is not None:
            torch.manual_seed(seed)
        yield


@contextmanager
def _noted_validation() -> Iterator[None]:
    """Notes whether validation was on where the outermost room was entered."""
    known = _CALLER_VALIDATES.get()
    token = _CALLER_VALIDATES.set(Distribution._validate_args if known is None else known)
    try:
        yield
    finally:
        _CALLER_VALIDATES.reset(token)


@contextmanager
def validated() -> Iterator[bool]:
    """Inside, validation is as it was outside of all rooms; yields whether it is on.

    Pyro's check of its handlers stays off: it does not know of parameters kept by modules.
    """
    is_on = _CALLER_VALIDATES.get()
    is_on = Distribution._validate_args if is_on is None else is_on
    validation = pyro.validation_enabled(is_validate=is_on)
    with validation, pyro.settings.context(validate_poutine=False):
        yield is_on


@contextmanager
def in_double() -> Iterator[None]:
    """Inside, new tensors are float64: rounding is not to be taken for bias."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
