"""Isolated runs: whatever they change of Python's, torch's and Pyro's global state is put back."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pyro
import torch
from torch.distributions import Distribution

# Pyro's store, settings and handlers belong to the process, so that one thread runs at a time.
# A forked process gets a lock of its own: it must not wait for a thread that it does not have.
_LOCKS: dict[int, threading.RLock] = {}
_CALLER_VALIDATES: ContextVar[bool | None] = ContextVar("caller validates", default=None)


@contextmanager
def isolated(*, seed: int | None = None) -> Iterator[None]:
    """Keeps the random state, the parameter store, validation and Pyro's settings apart.

    Inside, validation is off, because it would copy values from the device at every step, and the
    parameters of Pyro modules stay out of the parameter store. Convolutions on CUDA are not
    rounded to TF32, unless matrix products are. Other threads wait at the entrance.

    Args:
        seed: of the random state inside; None goes on from the caller's state.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with (
        _LOCKS.setdefault(os.getpid(), threading.RLock()),
        _noted_validation(),
        _convolutions_as_products(),
        torch.random.fork_rng(devices=list(devices)),
        pyro.get_param_store().scope(),
        pyro.validation_enabled(is_validate=False),
        pyro.settings.context(module_local_params=True),
    ):
        if seed is not None:
            seed_all(seed)
        yield


def seed_all(seed: int) -> None:
    """Seeds torch's generators on the CPU and on CUDA devices.

    Without CUDA this is 100 times as fast as torch.manual_seed, which writes down the stack of
    calls for each kind of accelerator that might still be used.
    """
    if torch.cuda.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def rounds_to_tf32() -> bool:
    """Has the caller asked torch to round the factors of matrix products on CUDA to TF32?"""
    return torch.backends.cuda.matmul.fp32_precision == "tf32"


@contextmanager
def _convolutions_as_products() -> Iterator[None]:
    """Inside, convolutions on CUDA are not rounded to TF32, unless products are.

    Where the caller has set convolutions apart from recurrent networks, both stay as they are.
    """
    try:
        before = torch.backends.cudnn.allow_tf32
    except RuntimeError:  # "conv and RNN have different flags"
        before = False
    rounded = before and not rounds_to_tf32()
    if rounded:
        torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        if rounded:
            torch.backends.cudnn.allow_tf32 = True


@contextmanager
def _noted_validation() -> Iterator[None]:
    """Notes whether validation was on before the outermost isolated run began."""
    known = _CALLER_VALIDATES.get()
    token = _CALLER_VALIDATES.set(Distribution._validate_args if known is None else known)
    try:
        yield
    finally:
        _CALLER_VALIDATES.reset(token)


@contextmanager
def validated() -> Iterator[bool]:
    """Sets validation as it was before the outermost isolated run; yields whether it is on.

    Pyro's check of its handlers stays off: it does not know of parameters that modules keep.
    """
    is_on = _CALLER_VALIDATES.get()
    is_on = Distribution._validate_args if is_on is None else is_on
    validation = pyro.validation_enabled(is_validate=is_on)
    with validation, pyro.settings.context(validate_poutine=False):
        yield is_on


@contextmanager
def in_double() -> Iterator[None]:
    """Makes new tensors float64, so that rounding errors are not taken for bias."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
