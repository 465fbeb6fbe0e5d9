"""From a network's outputs to a mean direction and a concentration on a sphere."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import positive
from zoo.latents import Latent, Latents
from zoo.manifolds.sphere import unit

Directional = Callable[[Tensor, Tensor], Any]


def head_shape(latent: Latent) -> torch.Size:
    """For each point: d numbers of its direction and one of its concentration."""
    return torch.Size((*latent.event_shape[:-1], latent.event_shape[-1] + 1))


def direction_encoder(latents: Latents, body: torch.nn.Module | None) -> Encoder:
    """An encoder with these numbers for every latent."""
    return Encoder(latents, lambda site: values_per_row(site, latents, head_shape(site)), body)


def directional(family: Directional, output: Tensor, latent: Latent, latents: Latents) -> Any:
    """The distribution of a latent, from the outputs of its head, (rows, numbers).

    A concentration of d spreads draws over about a radian in any dimension d, so that it is
    counted in units of d. It stays above d: near 0 a draw says nothing of the mean direction, so
    that its gradient is lost, and training from there does not come back.
    """
    values, d = by_row(output, latent, latents, head_shape(latent)), latent.event_shape[-1]
    found = family(unit(values[..., :d]), d * (1 + positive(values[..., d])))
    return found.to_event(len(latent.event_shape) - 1)
