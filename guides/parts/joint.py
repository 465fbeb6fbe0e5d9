"""Global latents drawn jointly: one unconstrained vector, cut up and mapped site by site."""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions.transforms import Transform

from guides.parts.plates import Plates, inside
from zoo.latents import Latent, Latents


def sample_jointly(
    latents: Latents, plates: Plates, q: TorchDistributionMixin
) -> dict[str, Tensor]:
    """Draws u ~ q over all unconstrained values, then sets every latent to its part T(u).

    The density of z = T(u) is q(u) / |det dT/du|, which each site's Delta carries.

    Args:
        latents: what to set.
        plates: the open plates.
        q: distribution over vectors of the total unconstrained size.
    """
    values = {}
    u = pyro.sample("joint", q, infer={"is_auxiliary": True})
    for site, unconstrained in zip(latents.sites, split_up(latents, u), strict=True):
        transform = biject_to(site.support)
        value = transform(unconstrained)
        shrinks = -log_det(transform, unconstrained, value, site)
        with inside(plates, site):
            delta = dist.Delta(value, log_density=shrinks, event_dim=len(site.event_shape))
            values[site.name] = pyro.sample(site.name, delta)
    return values


def split_up(latents: Latents, u: Tensor) -> list[Tensor]:
    """The unconstrained numbers of each latent, (*batch, *event), of a vector of all of them."""
    parts = u.split([site.size for site in latents.sites], dim=-1)
    return [
        part.reshape(_shape(part, site)) for site, part in zip(latents.sites, parts, strict=True)
    ]


def _shape(part: Tensor, site: Latent) -> torch.Size:
    """Particles (if any) to the left of the site's plates, then its event."""
    event = site.unconstrained_shape
    batch = torch.broadcast_shapes(part.shape[:-1], site.batch_shape)
    return torch.Size((*batch, *event))


def log_det(transform: Transform, u: Tensor, value: Tensor, site: Latent) -> Tensor:
    """Log |dT/du| of a site, summed over its event: (*batch)."""
    by_element = transform.log_abs_det_jacobian(u, value)
    batch = u.dim() - len(site.unconstrained_shape)
    return by_element.reshape(*by_element.shape[:batch], -1).sum(-1)
