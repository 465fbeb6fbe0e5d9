"""Draws scored by f(z) = log p(x, z) - log q(z): what the estimators are written in.

An estimator differs from its neighbours in what it takes for constant: the draws themselves
(:class:`Fixed`), the parameters (:func:`frozen`), or neither; and in where it asks for f: at the
guide's draws, or at values of its own (:func:`at`).
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Independent
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution
from torch.func import functional_call

from zoo.latents import Latent, Latents
from zoo.parameters import reachable_modules
from zoo.traces import Assign, Pair, Traces, Weights, run, sample_sites, weigh, with_gradient

Values = dict[str, Tensor]


class Fixed(Messenger):
    """Makes every draw a constant, so that gradients go through the densities only."""

    def _pyro_post_sample(self, msg: Message) -> None:
        if not msg["is_observed"]:
            msg["value"] = _value(msg).detach()


class _Constant(Messenger):
    """Makes every ``pyro.param`` a constant."""

    def _pyro_post_param(self, msg: Message) -> None:
        msg["value"] = _value(msg).detach()


class _Call(nn.Module):
    def __init__(self, fn: Callable) -> None:
        super().__init__()
        self.fn = (fn,)  # not a submodule: each parameter is to have one name
        found = list({id(part): part for part in reachable_modules(fn)}.values())
        inner = {id(part) for one in found for part in list(one.modules())[1:]}
        self.parts = nn.ModuleList(part for part in found if id(part) not in inner)

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.fn[0](*args, **kwargs)


def frozen(fn: Callable) -> Callable:
    """A model or a guide whose parameters are constants for autograd."""
    call = _Call(fn)

    def run_frozen(*args: object, **kwargs: object) -> object:
        constants = {name: value.detach() for name, value in call.named_parameters()}
        with _Constant():
            return functional_call(call, constants, args, kwargs)

    return run_frozen


def draw(pair: Pair, count: int, args: tuple, kwargs: dict, *, fixed: bool) -> Weights:
    """Scores `count` draws of the guide.

    Args:
        pair: the model and the guide.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        fixed: are the draws constants? Then `score` is log q of all of them.
    """
    with ExitStack() as stack:
        if fixed:
            stack.enter_context(Fixed())
        runs = pair.draw(count, args, kwargs)
    return weigh(runs, pair.latents, rowwise=pair.latents.rowwise)


def _value(site: Message) -> Tensor:
    value = site["value"]
    assert isinstance(value, Tensor)
    return value


def score_again(
    pair: Pair,
    runs: Sequence[Traces],
    count: int,
    args: tuple,
    kwargs: dict,
    change: Callable[[Message], Tensor] = _value,
) -> list[Traces]:
    """Scores draws that the guide has made already, e.g. under a pair with a frozen guide.

    Args:
        pair: the model and the guide to score with.
        runs: what ``pair.draw(count, ...)`` gave.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        change: makes the value to score out of a guide's site: the same with another gradient.
    """
    again: list[Traces] = []
    for traces in runs:
        values = {str(site["name"]): change(site) for site in sample_sites(traces.guide)}
        with Assign(values):
            again += pair.draw(count if len(runs) == 1 else 1, args, kwargs)
    return again


def at(pair: Pair, values: Sequence[Values], args: tuple, kwargs: dict) -> Weights:
    """Scores joint values of one's own.

    Args:
        pair: the model and the guide.
        values: one dict of site -> value for each particle, shaped as the guide draws them.
        args: arguments of both.
        kwargs: their keyword arguments.
    """
    latents = pair.latents
    chosen = [_side_by_side(values, latents)] if latents.vectorises else values
    runs = []
    for one in chosen:
        with Assign(one):
            runs.append(run(pair.model, pair.guide, args, kwargs))
    return weigh(runs, latents, rowwise=latents.rowwise)


def _side_by_side(values: Sequence[Values], latents: Latents) -> Values:
    """Particles along a new dimension to the left of all plates."""
    stacked = {}
    for name in values[0]:
        dims = latents.nesting + len(latents[name].event_shape)
        parts = [one[name] for one in values]
        stacked[name] = torch.stack([p.reshape((1,) * (dims - p.dim()) + p.shape) for p in parts])
    return stacked


def guide_sites(pair: Pair, args: tuple, kwargs: dict) -> list[Message]:
    """The sample sites of one run of the guide, with their distributions."""
    trace = poutine.trace(pair.guide).get_trace(*args, **kwargs)
    return sample_sites(poutine.util.prune_subsample_sites(trace))


def marginals(
    sites: Sequence[Message], kinds: tuple[type[Distribution], ...], who: str
) -> dict[str, Distribution]:
    """The distribution of each site without its wrappers, one element an independent draw.

    Args:
        sites: of a guide.
        kinds: the distributions that are allowed.
        who: the objective that asks, for the message.

    Raises:
        ValueError: naming the site whose distribution is none of them.
    """
    found: dict[str, Distribution] = {}
    for site in sites:
        q: Any = site["fn"]
        while isinstance(q, Independent):
            q = q.base_dist
        if not isinstance(q, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(
                f"{who} takes latents that the guide draws from {allowed}; '{site['name']}' is "
                f"drawn from {type(q).__name__}. Use rloo or trace_graph, which take any guide."
            )
        found[str(site["name"])] = q
    return found


def bernoulli_logits(pair: Pair, args: tuple, kwargs: dict, who: str) -> dict[str, Tensor]:
    """The guide's logits by site, each shaped as a draw.

    Raises:
        ValueError: naming a site that is not Bernoulli.
    """
    found = marginals(guide_sites(pair, args, kwargs), (Bernoulli,), who)
    return {name: q.logits for name, q in found.items()}  # type: ignore[attr-defined]


def spread(signal: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """Lays a signal of each row out along a site: (..., rows) -> (..., *plates, *event).

    Every dimension but the rows' is 1; `latent` may also be a site of a run.
    """
    rows = latents.row_plate.dim if latents.rowwise and latents.row_plate else -1
    shape = [1] * latents.nesting
    if latents.nesting:
        shape[rows] = signal.shape[-1]
    return signal.reshape(*signal.shape[:-1], *shape, *(1 for _ in latent.event_shape))


def estimate(weights: Weights, value: Tensor, surrogate: Tensor) -> Tensor:
    """A loss with the value and the gradient of one's own; both count N / batch times.

    Args:
        weights: whose scale and whose terms outside of the rows to use.
        value: the bound, summed over rows, nats, shape ().
        surrogate: what has the estimator for its gradient, shape ().
    """
    total = weights.scale * value + weights.outside
    return with_gradient(-total, -(weights.scale * surrogate + weights.outside))


def widen(draw: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """A draw with a dimension for every plate, so that particles can go in front of them."""
    dims = latents.nesting + len(latent.event_shape)
    return draw.reshape((1,) * (dims - draw.dim()) + draw.shape)


def row_sums(value: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """Sums each row's part of a site: (particles, *plates, *event) -> (particles, rows)."""
    rows = latents.row_plate.dim if latents.rowwise and latents.row_plate else 0
    events = len(latent.event_shape)
    inner = [-d for d in range(1, latents.nesting + 1) if -d != rows]
    dims = [*range(-events, 0), *(d - events for d in inner)]
    return (value.sum(dims) if dims else value).reshape(len(value), -1)


def others(value: Tensor) -> Tensor:
    """For each particle the mean over all others: 1/(K-1) sum_{j != k} value_j."""
    return (value.sum(0) - value) / (len(value) - 1)


def apart(values: Values) -> list[Values]:
    """One dict for each particle out of one dict of all particles."""
    return [dict(zip(values, one, strict=True)) for one in zip(*values.values(), strict=True)]


def at_with_slopes(
    pair: Pair, values: Values, args: tuple, kwargs: dict
) -> tuple[Weights, Values]:
    """Scores binary values and takes f's derivatives in them, as if they were real numbers.

    Args:
        pair: the model and the guide.
        values: by site, shape (particles, *plates, *event).
        args: arguments of both.
        kwargs: their keyword arguments.

    Returns:
        The weights, and the gradient of each particle's f by site, constants of the same shape.
    """
    with torch.enable_grad():  # a validation loss is taken without
        reals = {name: value.detach().requires_grad_() for name, value in values.items()}
        weights = at(pair, apart(reals), args, kwargs)
        slopes = torch.autograd.grad(weights.log_w.sum(), list(reals.values()), retain_graph=True)
    return weights, dict(zip(reals, slopes, strict=True))


def constant(site: Message) -> Tensor:
    """The value of a site as a constant; a `change` for :func:`score_again`."""
    return _value(site).detach()


def draw_path(
    pair: Pair, count: int, args: tuple, kwargs: dict, factor: Callable[[Tensor], Tensor]
) -> Weights:
    """Scores draws with the guide's parameters constant, so that phi moves f through z alone.

    Args:
        pair: the model and the guide.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        factor: of the log-weights, (particles, rows), same shape: how many times the gradient
            through each draw counts. The model's own gradient is left as it is.
    """
    latents, log_w = pair.latents, list[Tensor]()
    unscored = replace(pair, model=_nothing).draw(count, args, kwargs)
    still = replace(pair, guide=frozen(pair.guide))
    each, runs = count // len(unscored), list[Traces]()

    def weighted(site: Message, first: int) -> Tensor:
        q: Any = site["fn"]

        def times_factor(grad: Tensor) -> Tensor:  # runs after log_w is known
            chosen = factor(log_w[0])[first : first + each]
            return (grad * spread(chosen, latents, q)).reshape(grad.shape)

        value = _value(site).clone()
        if value.requires_grad:
            value.register_hook(times_factor)
        return value

    for i, traces in enumerate(unscored):
        change = partial(weighted, first=i * each)
        runs += score_again(still, [traces], each, args, kwargs, change)
    weights = weigh(runs, latents, rowwise=latents.rowwise)
    log_w.append(weights.log_w.detach())
    return weights


def _nothing(*args: object, **kwargs: object) -> None:
    """A model that is not asked."""
