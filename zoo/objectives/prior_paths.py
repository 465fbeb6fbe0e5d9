"""Values of latents as functions of their prior's parameters, as if the prior had drawn them.

A value z has the noise e = T^-1(z) under a prior whose draws are T(e). With that noise held,
T(e) has the value z, and a gradient in the prior's parameters.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributions as families
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from zoo.latents import Latents


def _moved(prior: Any, value: Tensor) -> Tensor:
    noise = ((value - prior.loc) / prior.scale).detach()
    return prior.loc + prior.scale * noise


def _stretched(prior: Any, value: Tensor) -> Tensor:
    return prior.scale * (value / prior.scale).detach()


def _shrunk(prior: Any, value: Tensor) -> Tensor:
    return (value * prior.rate).detach() / prior.rate


def _moved_logarithm(prior: Any, value: Tensor) -> Tensor:
    return _moved(prior, value.log()).exp()


def _turned(prior: Any, value: Tensor) -> Tensor:
    factor, away = prior.scale_tril, (value - prior.loc).detach().unsqueeze(-1)
    noise = torch.linalg.solve_triangular(factor.detach(), away, upper=False)
    return prior.loc + (factor @ noise).squeeze(-1)


# T(e) of a value and its prior, by the prior's class
PATHS: dict[type, Callable[[Any, Tensor], Tensor]] = {
    families.Normal: _moved,
    families.Laplace: _moved,
    families.Cauchy: _moved,
    families.LogNormal: _moved_logarithm,
    families.HalfNormal: _stretched,
    families.HalfCauchy: _stretched,
    families.Exponential: _shrunk,
    families.MultivariateNormal: _turned,
}


def path_of(prior: type | None) -> Callable[[Any, Tensor], Tensor] | None:
    """T(e) for a prior of that class; None where it is not known."""
    parents = prior.__mro__ if prior is not None else ()
    return next((PATHS[parent] for parent in parents if parent in PATHS), None)


def without_path(latents: Latents, who: str) -> str | None:
    """The first latent whose prior has no known path, in a sentence; None if there is none.

    Args:
        latents: description of the model.
        who: the objective that asks.
    """
    for site in latents.sites:
        if path_of(site.prior) is None:
            known = ", ".join(sorted(kind.__name__ for kind in PATHS))
            found = site.prior.__name__ if site.prior is not None else "nothing known"
            return (
                f"{who} takes draws for functions of their prior's parameters, which it knows for "
                f"priors of these families: {known}; that of '{site.name}' is {found}. Use dreg, "
                "which takes any."
            )
    return None


def as_drawn_by_prior(site: Any) -> Tensor:
    """The value of a model's site with a gradient in its prior's parameters.

    Elements that a mask leaves out of log p have none.
    """
    found, mask = _path(site["fn"], site["value"].detach()), site["mask"]
    return found if mask is None else _where(mask, found, site["fn"].event_dim)


def _path(prior: Any, value: Tensor) -> Tensor:
    if isinstance(prior, MaskedDistribution):
        return _where(prior._mask, _path(prior.base_dist, value), prior.event_dim)
    if isinstance(prior, (families.Independent, ExpandedDistribution)):
        return _path(prior.base_dist, value)
    path = path_of(type(prior))
    assert path is not None
    return path(prior, value)


def _where(mask: Any, value: Tensor, event_dim: int) -> Tensor:
    laid = torch.as_tensor(mask, device=value.device)
    laid = laid.reshape(laid.shape + (1,) * event_dim)
    return torch.where(laid, value, value.detach())
