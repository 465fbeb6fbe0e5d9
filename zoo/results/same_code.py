"""Tells whether a model or a guide that is passed again is the one that was fitted.

The code of a function, with all that it refers to, cannot be compared. What it computes can: the
log-density of every site, with all parameters and latents at fixed values that are the same on
every machine.
"""

import math
from collections.abc import Callable

import torch
from pyro import poutine
from pyro.infer.autoguide import AutoGuide
from pyro.infer.autoguide.effect import AutoMessenger
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import Distribution, biject_to

from zoo.handlers.discovery import reaching
from zoo.handlers.parameters import set_to, spread
from zoo.isolation import isolated
from zoo.latents import Family
from zoo.program import Program
from zoo.sampling.importance_weights import some_rows
from zoo.traces import sample_sites

Densities = dict[str, list[float]]  # site -> the sum, a sum with signs, and its scale

TOLERANCE = 1e-4  # of the scale; another device or version of torch changes less
MOST_SITES = 10_000  # a loop that ends by a random draw may not end where draws are fixed
SMALLER = 0.05  # factor of the latents where they give no finite densities


def densities(program: Program, args: tuple) -> dict[str, Densities]:
    """Summaries of the log-density of each site of "model" and "guide", at fixed values.

    Each site has three numbers, in nats: the sum of the elements of its log-density; a sum in
    which half of them count negatively, which shows changes that cancel in the first sum; and the
    square root of the sum of their squares, the scale of such a sum. Where rows are independent,
    a few of them are used.

    A model or a guide that cannot be run at fixed values, such as a guide whose log q is known
    only at its own draws, has no entries. Guides of the zoo and of Pyro are left out, because they
    are known by name, and so are programs that make parameters during training.
    """
    taken, picked = some_rows(program, args)
    wanted = {"model": reaching(program.model, program.found[0])}
    if not isinstance(program.guide, Family | AutoGuide | AutoMessenger):
        wanted["guide"] = program.pair.guide
    found: dict[str, Densities] = {}
    if program.store.late:  # what it computes depends on the step
        return found
    device = next(program.parameters()).device
    with isolated(seed=0), torch.no_grad(), poutine.block(), set_to(program, _of_order_one):
        for name, fn in wanted.items():
            for size in (1.0, SMALLER):
                with program.handlers(picked):
                    found[name] = _of_sites(fn, taken, program.kwargs, SetValues(device, size))
                if all(math.isfinite(sums[0]) for sums in found[name].values()):
                    break
    return found


def refuse_other_code(saved: dict[str, Densities], now: dict[str, Densities]) -> None:
    """Refuses a model or a guide that computes other log-densities than the one that was fitted.

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
                    f"values '{name}' has log-density {other[0]:.8g} nats, and had {one[0]:.8g}. "
                    f"Pass the {what} that was fitted, with the data that it refers to."
                )


def _is_close(one: list[float], other: list[float]) -> bool:
    if not all(map(math.isfinite, [*one, *other])):  # a model need not allow the fixed values
        return True
    limit = TOLERANCE * max(one[2], other[2], 1.0)
    return abs(one[1] - other[1]) < limit and abs(one[2] - other[2]) < limit


def _of_sites(fn: Callable, args: tuple, kwargs: dict, values: "SetValues") -> Densities:
    try:
        with values:
            trace = poutine.trace(fn).get_trace(*args, **kwargs)
            trace.compute_log_prob()
    except Exception:  # noqa: BLE001  the user's code need not accept the fixed values
        return {}
    if values.drawn:
        return {}
    sites = sample_sites(poutine.util.prune_subsample_sites(trace))
    return {str(site["name"]): _summed(site["log_prob"]) for site in sites}  # type: ignore[misc]


def _summed(log_prob: Tensor) -> list[float]:
    terms = log_prob.detach().double().cpu().flatten()
    order = torch.arange(len(terms))
    signs = 1.0 - 2.0 * ((order * 2654435761 >> 16) & 1)  # +1 and -1 in a fixed irregular order
    return [float(terms.sum()), float((terms * signs).sum()), float(terms.norm())]


class SetValues(Messenger):
    """Gives each latent a value in its support that depends only on its shape.

    Args:
        device: of the values.
        size: factor of the unconstrained values of continuous latents.

    Attributes:
        drawn: names of the sites that are drawn, because no value in their support is known.
    """

    def __init__(self, device: torch.device, size: float = 1.0) -> None:
        super().__init__()
        self.device, self.size = device, size
        self.drawn: list[str] = []
        self.met = 0

    def _pyro_sample(self, msg: Message) -> None:
        fn = msg["fn"]
        if msg["done"] or msg["is_observed"] or not isinstance(fn, Distribution):
            return
        self.met += 1
        if self.met > MOST_SITES:
            raise RuntimeError("too many sites to be a model that ends")
        value = _inside(fn, self.device, self.size)
        if value is None:
            self.drawn.append(str(msg["name"]))
            return
        msg["value"], msg["done"] = value, True


def _inside(fn: Distribution, device: torch.device, size: float = 1.0) -> Tensor | None:
    """A value in the support of a distribution; None if none is known."""
    if fn.has_enumerate_support:
        first = fn.enumerate_support(expand=False)[0]
        return first.expand(fn.batch_shape + fn.event_shape)
    try:
        bijection = biject_to(fn.support)
        shape = bijection.inverse_shape(fn.batch_shape + fn.event_shape)
        return bijection(size * spread(shape, -0.5, 0.7).to(device, _type_of(fn)))
    except NotImplementedError:
        zeros = torch.zeros(fn.batch_shape + fn.event_shape, device=device)
        return zeros if bool(fn.support.check(zeros).all()) else None  # type: ignore[union-attr]


def _type_of(fn: Distribution) -> torch.dtype:
    try:
        return fn.sample().dtype
    except NotImplementedError:  # an improper prior
        return torch.get_default_dtype()


def _of_order_one(value: Tensor) -> Tensor:
    """Fixed positive values for a parameter; those of a matrix are divided by its width.

    The outputs of a linear layer are then of order one, as its inputs are.
    """
    width = value.numel() // max(1, len(value)) if value.dim() > 1 else 1
    return spread(value.shape, 0.5, 1.5) / max(1, width)
