"""Finite latents as choices between classes, all in one layout whatever their form."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    OneHotCategorical,
    constraints,
)

from zoo.latents import Latent
from zoo.objectives.log_ratio import guide_sites, marginals
from zoo.traces import Pair

KINDS = (Bernoulli, OneHotCategorical, Categorical)


class Choices(NamedTuple):
    """The independent elements of one site.

    Attributes:
        logits: log-probabilities of the classes up to a constant, (*plates, *elements, classes),
            with a dimension for every plate. The classes of a binary latent are 0 and 1.
        latent: the site.
    """

    logits: Tensor
    latent: Latent

    def values(self, chosen: Tensor) -> Tensor:
        """The site's values, (..., *plates, *event), of one-hot choices (..., classes)."""
        support = self.latent.base_support
        if support is constraints.one_hot:
            return chosen
        if support is constraints.boolean:
            return chosen[..., 1]
        return chosen.argmax(-1)

    def by_element(self, signal: Tensor) -> Tensor:
        """A signal that was spread along the site, laid along (..., *plates, *elements, 1)."""
        one_hot = self.latent.base_support is constraints.one_hot
        return signal if one_hot else signal.unsqueeze(-1)


def finite_choices(pair: Pair, args: tuple, kwargs: dict, who: str) -> dict[str, Choices]:
    """The choices of each of the guide's sites.

    Args:
        pair: the model and the guide.
        args: arguments of both.
        kwargs: their keyword arguments.
        who: the objective that asks, for messages.

    Raises:
        ValueError: naming a site that is neither Bernoulli nor categorical.
    """
    found = {}
    for name, q in marginals(guide_sites(pair, args, kwargs), KINDS, who).items():
        latent, logits = pair.latents[name], _class_logits(q)
        one_hot = latent.base_support is constraints.one_hot
        dims = pair.latents.nesting + len(latent.event_shape) + (not one_hot)
        wide = logits.reshape((1,) * (dims - logits.dim()) + logits.shape)
        found[name] = Choices(wide, latent)
    return found


def _class_logits(q: Distribution) -> Tensor:
    logits: Tensor = q.logits  # type: ignore[attr-defined]
    if isinstance(q, Bernoulli):
        return torch.stack((torch.zeros_like(logits), logits), -1)
    return logits
