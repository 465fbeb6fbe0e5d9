"""What the amortised flows share: a normal read off the row, then steps that see the row."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.flows import push
from guides.parts.normal import onto_support
from guides.parts.plates import Plates, inside, positive
from guides.parts.vectors import require_vectors
from zoo.latents import Latent, Latents

Steps = Callable[[Tensor, Tensor, Tensor], list[Transform]]
Step = Callable[[Any, Tensor, Tensor, Tensor], Transform]


def sizes_of(guide: nn.Module, latents: Latents) -> list[int]:
    """The number of unconstrained values of each latent.

    Raises:
        ValueError: for a latent that is not a vector.
    """
    require_vectors(guide, latents)
    return [site.unconstrained_shape[0] for site in latents.sites]


def flow_encoder(
    latents: Latents, context: Callable[[int], int], body: nn.Module | None
) -> Encoder:
    """An encoder that gives mean, scale and what the steps of a latent read.

    Args:
        latents: the latents, all vectors.
        context: size of a latent -> how many values its steps read.
        body: replaces the encoder's hidden layers.
    """

    def outputs(site: Latent) -> int:
        (size,) = site.unconstrained_shape
        return values_per_row(site, latents, (2 * size + context(size),))

    return Encoder(latents, outputs, body)


def steps_of(nets: nn.ModuleList, step: Step) -> list[Steps]:
    """For each latent, what makes one step of each of its networks.

    Args:
        nets: for each latent, a list of networks.
        step: (network, mean, scale, context) -> the step.
    """

    def steps(own: nn.ModuleList, loc: Tensor, scale: Tensor, context: Tensor) -> list[Transform]:
        return [step(net, loc, scale, context) for net in own]

    return [partial(steps, own) for own in nets]  # type: ignore[arg-type]


def sample_flows(
    latents: Latents, plates: Plates, encoder: Encoder, steps: Sequence[Steps], args: tuple
) -> dict[str, Tensor]:
    """Samples every latent of the rows given.

    Args:
        latents: what to sample.
        plates: the open plates.
        encoder: from :func:`flow_encoder`.
        steps: for each latent, (mean, scale, context) -> the steps on N(mean, scale^2); each of
            shape (*batch, number of values).
        args: arguments of the model.
    """
    values = {}
    for site, output, bend in zip(latents.sites, encoder(args), steps, strict=True):
        (size,) = site.unconstrained_shape
        each = output.shape[-1] // values_per_row(site, latents, ())
        both = by_row(output, site, latents, (each,))
        loc, scale, context = both.split([size, size, each - 2 * size], dim=-1)
        scale = positive(scale)
        base = dist.Normal(loc, scale).to_event(1)
        q = onto_support(push(base, bend(loc, scale, context)), site)
        with inside(plates, site):
            values[site.name] = pyro.sample(site.name, q)
    return values
