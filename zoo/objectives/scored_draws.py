"""Draws of the guide scored by f(z) = log p(x, z) - log q(z), and what of them is held constant.

An estimator differs from its neighbours in what it takes for constant: the draws themselves
(:class:`Fixed`), the parameters (:func:`frozen`), or neither. Those that ask for f at values of
their own find it in :mod:`zoo.objectives.log_ratio`.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Independent, TransformedDistribution
from torch.distributions.constraints import Constraint

from zoo.distributions import Density
from zoo.handlers.parameters import reachable_modules
from zoo.handlers.substitution import call_with
from zoo.objectives.log_ratio import spread
from zoo.traces import Assign, Pair, Traces, Weights, sample_sites, weigh, with_gradient

NO_SHAPE = torch.Size()


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

    def forward(self, part: Callable | None, *args: object, **kwargs: object) -> object:
        """Calls the function itself, or a part that depends on the same parameters."""
        return (part or self.fn[0])(*args, **kwargs)


class _Held(TorchDistribution):
    """A distribution that is scored as it was made: a flow reads its parameters only then."""

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012

    def __init__(self, base: Any, held: Callable) -> None:
        self.base, self.held, self.has_rsample = base, held, base.has_rsample
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> Constraint:
        return self.base.support

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        return self.held(self.base.rsample, sample_shape)

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        return self.held(self.base.sample, sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.held(self.base.log_prob, value)

    def expand(self, batch_shape: Any, _instance: object = None) -> "_Held":
        return _Held(self.base.expand(batch_shape), self.held)


class _Hold(Messenger):
    """Holds the distributions that read parameters when they are scored."""

    def __init__(self, held: Callable) -> None:
        super().__init__()
        self.held = held

    def _pyro_sample(self, msg: Message) -> None:
        fn: Any = msg["fn"]
        while isinstance(fn, Independent):
            fn = fn.base_dist
        if isinstance(fn, (TransformedDistribution, Density)):
            msg["fn"] = _Held(msg["fn"], self.held)


def frozen(fn: Callable) -> Callable:
    """A model or a guide whose parameters are constants for autograd."""
    call = _Call(fn)

    def run_frozen(*args: object, **kwargs: object) -> object:
        constants = {name: value.detach() for name, value in call.named_parameters()}

        def held(part: Callable | None, *args: object, **kwargs: object) -> object:
            return call_with(call, dict(constants), (part, *args), kwargs)

        with _Constant(), _Hold(held):
            return held(None, *args, **kwargs)

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


def changed(site: Message, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The value of a site after `change`, which a straight-through draw's relaxed values share."""
    value = _value(site)
    found, soft = change(value), vars(value).get("_unquantize")
    if soft is not None:
        found._unquantize = change(soft)  # type: ignore[attr-defined]
    return found


def constant(site: Message) -> Tensor:
    """The value of a site as a constant; a `change` for :func:`score_again`."""
    return changed(site, Tensor.detach)


def same(site: Message) -> Tensor:
    """The value of a site; another object, lest a flow remember what it came from."""
    return changed(site, lambda value: value.view_as(value))


def score_again(
    pair: Pair,
    runs: Sequence[Traces],
    count: int,
    args: tuple,
    kwargs: dict,
    change: Callable[[Message], Tensor] = same,
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

        def hooked(value: Tensor) -> Tensor:
            value = value.clone()
            if value.requires_grad:
                value.register_hook(times_factor)
            return value

        return changed(site, hooked)

    for i, traces in enumerate(unscored):
        change = partial(weighted, first=i * each)
        runs += score_again(still, [traces], each, args, kwargs, change)
    weights = weigh(runs, latents, rowwise=latents.rowwise)
    log_w.append(weights.log_w.detach())
    return weights


def _nothing(*args: object, **kwargs: object) -> None:
    """A model that is not asked."""


def estimate(weights: Weights, value: Tensor, surrogate: Tensor) -> Tensor:
    """A loss with the value and the gradient of one's own; both count N / batch times.

    Args:
        weights: whose scale and whose terms outside of the rows to use.
        value: the bound, summed over rows, nats, shape ().
        surrogate: what has the estimator for its gradient, shape ().
    """
    total = weights.scale * value + weights.outside
    return with_gradient(-total, -(weights.scale * surrogate + weights.outside))


def others(value: Tensor) -> Tensor:
    """For each particle the mean over all others: 1/(K-1) sum_{j != k} value_j."""
    return (value.sum(0) - value) / (len(value) - 1)
