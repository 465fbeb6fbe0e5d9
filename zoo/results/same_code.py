"""Is a function that is passed again the one that was fitted? Its densities at set values tell.

A function's code cannot be compared, nor what it refers to, but what it computes can: the
log-density of every site, with all parameters and latents at values that do not depend on the
random numbers of a machine.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from pyro import poutine
from pyro.infer.autoguide import AutoGuide
from pyro.infer.autoguide.effect import AutoMessenger
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Distribution, biject_to

from zoo.handlers.discovery import reaching
from zoo.isolation import isolated
from zoo.latents import Family
from zoo.program import Program
from zoo.sampling.importance_weights import some_rows
from zoo.traces import sample_sites

Densities = dict[str, float]

RELATIVE, ABSOLUTE = 1e-4, 1e-4  # more than another device or version of torch changes


def densities(program: Program, args: tuple) -> dict[str, Densities]:
    """Log-density in nats of each site of "model" and "guide", at set parameters and latents.

    Of rows that are independent a few are enough. What cannot be run so, such as a guide whose
    log q is known only at its own draws, has none. Guides of the zoo and of Pyro are left out, for
    they are known by name, and so are programs that make parameters as they go.
    """
    taken, picked = some_rows(program, args)
    wanted = {"model": reaching(program.model, program.found[0])}
    if not isinstance(program.guide, Family | AutoGuide | AutoMessenger):
        wanted["guide"] = program.pair.guide
    found: dict[str, Densities] = {}
    if program.store.late:  # it is another function at every step
        return found
    device = next(program.parameters()).device
    with isolated(seed=0), torch.no_grad(), poutine.block(), _set_parameters(program):
        for name, fn in wanted.items():
            with program.handlers(picked):
                found[name] = _of_sites(fn, taken, program.kwargs, SetValues(device))
    return found


def refuse_other_code(saved: dict[str, Densities], now: dict[str, Densities]) -> None:
    """Refuses a model or a guide that computes something else than the one that was fitted.

    Raises:
        ValueError: naming the first site that differs, with both log-densities.
    """
    for what, sites in saved.items():
        here = now.get(what, {})
        for name in [*sites, *here] if sites and here else []:
            one, other = sites.get(name), here.get(name)
            if one is None or other is None:
                has = "no" if other is None else "a"
                raise ValueError(
                    f"The {what} passed has {has} site '{name}', and the one that was fitted "
                    f"has {'one' if other is None else 'none'}. Pass the {what} that was fitted."
                )
            if not _is_close(one, other):
                raise ValueError(
                    f"The {what} passed is another than the one that was fitted: at the same "
                    f"values '{name}' has log-density {other:.6g} nats, and had {one:.6g}. Pass "
                    f"the {what} that was fitted, with the data that it refers to."
                )


def _is_close(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):  # set parameters need not make sense to a model
        return True
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _of_sites(fn: Callable, args: tuple, kwargs: dict, values: "SetValues") -> Densities:
    try:
        with values:
            trace = poutine.trace(fn).get_trace(*args, **kwargs)
            trace.compute_log_prob()
    except Exception:  # noqa: BLE001  a user's code under values that it may not be made for
        return {}
    if values.drawn:
        return {}
    sites = sample_sites(poutine.util.prune_subsample_sites(trace))
    return {str(s["name"]): float(s["log_prob_sum"]) for s in sites}  # type: ignore[arg-type]


class SetValues(Messenger):
    """Gives each latent a value in its support that depends on its shape alone.

    Attributes:
        drawn: sites for which none is known, and which are drawn.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.drawn: list[str] = []

    def _pyro_sample(self, msg: Message) -> None:
        fn = msg["fn"]
        if msg["done"] or msg["is_observed"] or not isinstance(fn, Distribution):
            return
        value = _inside(fn, self.device)
        if value is None:
            self.drawn.append(str(msg["name"]))
            return
        msg["value"], msg["done"] = value, True


def _inside(fn: Distribution, device: torch.device) -> Tensor | None:
    if fn.has_enumerate_support:
        first = fn.enumerate_support(expand=False)[0]
        return first.expand(fn.batch_shape + fn.event_shape)
    try:
        bijection = biject_to(fn.support)
        shape = bijection.inverse_shape(fn.batch_shape + fn.event_shape)
        return bijection(_spread(shape, -0.5, 0.7).to(device))
    except NotImplementedError:
        zeros = torch.zeros(fn.batch_shape + fn.event_shape, device=device)
        return zeros if bool(fn.support.check(zeros).all()) else None  # type: ignore[union-attr]


def _spread(shape: torch.Size, low: float, high: float) -> Tensor:
    return torch.linspace(low, high, shape.numel()).reshape(shape)


@contextmanager
def _set_parameters(program: nn.Module) -> Iterator[None]:
    """Inside, all parameters and buffers of real numbers have positive values of order one.

    Matrices are divided by their width, so that what a layer passes on is of order one too.
    """
    tensors = [t for t in [*program.parameters(), *program.buffers()] if t.is_floating_point()]
    before = [tensor.clone() for tensor in tensors]
    try:
        for tensor in tensors:
            width = tensor[0].numel() if tensor.dim() > 1 else 1
            tensor.copy_(_spread(tensor.shape, 0.5, 1.5) / width)
        yield
    finally:
        for tensor, value in zip(tensors, before, strict=True):
            tensor.copy_(value)
