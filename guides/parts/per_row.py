"""Normals and flows over all latents of one data row, with free parameters for each row."""

from collections.abc import Mapping

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn
from torch.distributions import biject_to

from guides.parts.plates import Plates
from zoo.latents import Latents


def require_rows(guide: nn.Module, latents: Latents) -> tuple[int, int]:
    """The number of rows, and of unconstrained values in each.

    Raises:
        ValueError: for a latent that lies in plates besides the one over rows.
    """
    for site in latents.sites:
        if len(site.plates) > 1:
            raise ValueError(
                f"{type(guide).__name__} joins the latents of a row; '{site.name}' lies in the "
                f"plates {[plate.name for plate in site.plates]}. Use PerDatum."
            )
    assert latents.row_plate is not None
    sizes = [site.unconstrained_shape.numel() for site in latents.sites]
    return latents.row_plate.size, sum(sizes)


def of_rows(values: Tensor, plates: Plates, latents: Latents) -> Tensor:
    """The parameters of this minibatch's rows, with the rows at their plate's dimension.

    Args:
        values: one entry a row, shape (all rows, ...).
        plates: the open plates.
        latents: whose row plate to use.
    """
    assert latents.row_plate is not None
    picked = values[plates[latents.row_plate.name].indices]
    return picked.reshape(len(picked), *(1,) * (-latents.row_plate.dim - 1), *values.shape[1:])


def sample_in_rows(
    latents: Latents, plates: Plates, q: TorchDistributionMixin
) -> dict[str, Tensor]:
    """Draws u ~ q for every row, then sets every latent to its part T(u).

    Args:
        latents: what to set.
        plates: the open plates.
        q: distribution over vectors, one a row.
    """
    values, start = {}, 0
    assert latents.row_plate is not None
    with plates[latents.row_plate.name]:
        u = pyro.sample("joint_of_row", q, infer={"is_auxiliary": True})
        for site in latents.sites:
            event, to_support = site.unconstrained_shape, biject_to(site.support)
            part = u[..., start : start + event.numel()].unflatten(-1, event or (1,))
            part = part if event else part.squeeze(-1)
            value = to_support(part)
            log_det = to_support.log_abs_det_jacobian(part, value)
            log_det = log_det.reshape(*u.shape[:-1], -1).sum(-1)
            delta = dist.Delta(value, log_density=-log_det, event_dim=len(site.event_shape))
            values[site.name] = pyro.sample(site.name, delta)
            start += event.numel()
    return values


def unconstrained(draws: Mapping[str, Tensor], latents: Latents) -> dict[str, Tensor]:
    """Draws of every latent in unconstrained space, (draws, *batch, *unconstrained event)."""
    return {
        site.name: biject_to(site.support).inv(
            draws[site.name].reshape(-1, *site.batch_shape, *site.event_shape)
        )
        for site in latents.sites
    }


def joined(draws: Mapping[str, Tensor], latents: Latents) -> Tensor:
    """The same side by side: (draws, rows, values in a row)."""
    found = unconstrained(draws, latents)
    rows = latents.row_plate.size if latents.row_plate else 1
    return torch.cat([u.reshape(len(u), rows, -1) for u in found.values()], dim=-1)
