"""Does the pair broadcast over particles at parameter values other than those it starts from?"""

from collections.abc import Callable
from functools import partial

import torch
from pyro import poutine
from pyro.infer.autoguide import AutoGuide
from torch import Tensor

from zoo.device import device_of
from zoo.handlers.discovery import reaching
from zoo.handlers.handlers import Handlers
from zoo.handlers.parameters import set_to, spread
from zoo.handlers.particles import why_narrow
from zoo.handlers.prior import Feasible
from zoo.isolation import isolated
from zoo.latents import Family
from zoo.program.program import Program


def why_narrow_when_moved(program: Program, args: tuple, rows: int | None) -> str:
    """Why model or guide does not broadcast once its parameters have moved; "" if both do.

    A coefficient that starts at 0, or running averages that start at 0 and 1, hide the shape of
    what they multiply.

    Args:
        program: the program; its values are the same afterwards.
        args: arguments of the model.
        rows: full number of data rows, where `args` hold a minibatch.
    """
    if not program.latents.vectorises:
        return ""
    callables = [("", reaching(program.model, program.found[0]))]
    if not isinstance(program.guide, (Family, AutoGuide)):
        callables += [("in the guide, ", program.pair.guide)]
    with isolated(seed=0), torch.no_grad(), set_to(program, _moved), poutine.block():
        for where, fn in callables:
            reason = _why_narrow_now(program, fn, args, rows)
            if reason:
                return f"{where}{reason}"
    return ""


def _why_narrow_now(program: Program, fn: Callable, args: tuple, rows: int | None) -> str:
    """Why a callable does not broadcast at the program's present values; "" if it cannot run."""
    run = partial(_run_under, partial(program.handlers, None, size=rows), fn)
    try:
        with Feasible(device_of(args)):
            trace = poutine.trace(run).get_trace(*args, **program.kwargs)
    except Exception:  # noqa: BLE001  the user's code need not accept the moved values
        return ""
    trace = poutine.util.prune_subsample_sites(trace)
    return why_narrow(run, trace, program.latents.nesting, args, program.kwargs)


def _run_under(
    handlers: Callable[[], Handlers], fn: Callable, /, *args: object, **kwargs: object
) -> object:
    with handlers():
        return fn(*args, **kwargs)


def _moved(value: Tensor) -> Tensor:
    return value + (0.5 + 0.5 * value.abs()) * spread(value.shape, 0.5, 1.0).to(value)
