"""Draws that the guide has made already, scored once more with another gradient."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pyro.poutine.runtime import Message
from torch import Tensor

from zoo.latents import Latents
from zoo.objectives.frozen import frozen
from zoo.objectives.log_ratio import spread
from zoo.traces import Assign, Pair, Traces, Weights, row_scale, sample_sites, weigh


def changed(site: Message, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Applies `change` to a site's value, and to the relaxed values of a straight-through draw."""
    value = site["value"]
    assert isinstance(value, Tensor)
    found, soft = change(value), vars(value).get("_unquantize")
    if soft is not None:
        found._unquantize = change(soft)  # type: ignore[attr-defined]
    return found


def constant(site: Message) -> Tensor:
    """The value of a site as a constant; a `change` for :func:`score_again`."""
    return changed(site, Tensor.detach)


def same(site: Message) -> Tensor:
    """The value of a site as a new tensor: Pyro's flows keep an inverse for each tensor object."""
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


def unblended(factor: Tensor, weight: Tensor) -> Tensor:
    """The factor whatever the weight of the KL term; a `blend` for :func:`draw_path`."""
    return factor


def draw_path(
    pair: Pair,
    count: int,
    args: tuple,
    kwargs: dict,
    factor: Callable[[Tensor], Tensor],
    blend: Callable[[Tensor, Tensor], Tensor] = unblended,
) -> Weights:
    """Scores draws with the guide's parameters constant, so that phi moves f through z alone.

    Args:
        pair: the model and the guide.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        factor: of the log-weights, (particles, rows), same shape: how many times the gradient
            through each draw counts. The model's own gradient is left as it is.
        blend: makes of that, and of the weight of a site's KL term, how many times it counts.
    """
    latents, log_w = pair.latents, list[Tensor]()
    unscored = draw_unscored(pair, count, args, kwargs)
    still = replace(pair, guide=frozen(pair.guide))
    each, runs = count // len(unscored), list[Traces]()

    def weighted(site: Message, first: int) -> Tensor:
        q: Any = site["fn"]
        weight = kl_weight(site, latents)

        def times_factor(grad: Tensor) -> Tensor:  # runs after log_w is known
            chosen = spread(factor(log_w[0])[first : first + each], latents, q)
            return (grad * blend(chosen, weight.to(grad))).reshape(grad.shape)

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


def times(site: Message, latents: Latents) -> float:
    """How many times a site counts because a minibatch stands for all rows."""
    return row_scale(site, latents.row_plate) if latents.rowwise else 1.0


def kl_weight(site: Message, latents: Latents) -> Tensor:
    """The weight of a latent's KL term, laid along its values."""
    fn: Any = site["fn"]
    weight = torch.as_tensor(site["scale"] / times(site, latents))
    return weight.reshape(weight.shape + (1,) * fn.event_dim)


def draw_unscored(pair: Pair, count: int, args: tuple, kwargs: dict) -> list[Traces]:
    """Runs of the guide that hold `count` particles, beside a model that is not asked."""
    return replace(pair, model=_nothing).draw(count, args, kwargs)


def require_given(runs: Sequence[Traces], latents: Latents, who: str) -> None:
    """Refuses a guide that draws other sites than the latents.

    Log q of latents that it has not drawn, or their gradient, is then not that of its sites.

    Args:
        runs: of the guide.
        latents: description of the model.
        who: the objective that asks.

    Raises:
        ValueError: naming the first other site.
    """
    for site in sample_sites(runs[0].guide):
        if site["name"] not in latents.names:
            raise ValueError(
                f"{who} takes log q as a function of given latents; the guide draws "
                f"'{site['name']}' besides {latents.listed}. Use a guide that draws each latent "
                "from a distribution of its own, such as mean_field, or iwae."
            )


def _nothing(*args: object, **kwargs: object) -> None:
    """A model that is not asked."""
