"""The recognition network: from a data row to the parameters of its latents' distributions."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from zoo.latents import Latent, Latents


class Encoder(nn.Module):
    """A network on data rows with one linear head for each latent.

    By default its hidden layers mirror the model's own, from data to latents. Any module that maps
    (rows, context) to (rows, features) can take their place.

    Args:
        latents: the latents; their `context`, `hidden` and `activation` give the default.
        outputs: latent -> number of values that its head gives for one row.
        body: replaces the hidden layers; its output width is found by running it once.

    Raises:
        ValueError: if the latents have no data row to read.
    """

    def __init__(
        self, latents: Latents, outputs: Callable[[Latent], int], body: nn.Module | None = None
    ) -> None:
        super().__init__()
        if not latents.row_args:
            raise ValueError(
                f"An amortised guide reads data rows; no argument holds the rows of "
                f"{latents.row_plate}. Put the rows in a plate named 'data', or use PerDatum."
            )
        self.latents = latents
        self.body = _mirror(latents) if body is None else body
        with torch.no_grad():
            width = self.body(torch.zeros(2, latents.context)).shape[-1]
        self.heads = nn.ModuleList(nn.Linear(width, outputs(site)) for site in latents.sites)

    def features(self, args: tuple) -> Tensor:
        """What the hidden layers make of the data rows: (rows, width)."""
        return self.body(self.latents.row_context(args))

    def forward(self, args: tuple) -> list[Tensor]:
        """One tensor of shape (rows, outputs) for each latent."""
        features = self.features(args)
        return [head(features) for head in self.heads]


def _mirror(latents: Latents) -> nn.Sequential:
    widths = (latents.context, *latents.hidden)
    layers = [_layer(a, b, latents.activation) for a, b in pairwise(widths)]
    return nn.Sequential(*(part for layer in layers for part in layer))


def stack(widths: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers of these widths, input and output included, the activation between them."""
    layers = [_layer(a, b, activation) for a, b in pairwise(widths[:-1])]
    return nn.Sequential(
        *(part for layer in layers for part in layer), nn.Linear(widths[-2], widths[-1])
    )


def _layer(inputs: int, outputs: int, activation: type[nn.Module]) -> tuple[nn.Linear, nn.Module]:
    """A linear layer and its activation; a gate multiplies half of what it gets by the other."""
    return nn.Linear(inputs, outputs * (2 if activation is nn.GLU else 1)), activation()


def values_per_row(latent: Latent, latents: Latents, event: Sequence[int]) -> int:
    """How many numbers one row's parameter of that event shape takes, over the other plates."""
    return torch.Size((*other_plates(latent, latents), *event)).numel()


def other_plates(latent: Latent, latents: Latents) -> list[int]:
    """Sizes of the latent's plates without the one over rows."""
    assert latents.row_plate is not None
    batch = list(latent.batch_shape)
    del batch[latents.row_plate.dim]
    return batch


def by_row(values: Tensor, latent: Latent, latents: Latents, event: Sequence[int]) -> Tensor:
    """Lays (rows, numbers) out as the latent's plates and an event: (*batch, *event).

    Particles in front of the rows, (particles, rows, numbers), end to the left of all plates.
    """
    assert latents.row_plate is not None
    particles, plates = values.shape[:-2], len(latent.batch_shape)
    laid = values.reshape(*values.shape[:-1], *other_plates(latent, latents), *event)
    laid = laid.movedim(len(particles), len(particles) + latents.row_plate.dim + plates)
    outer = [1] * (latents.nesting - plates) if particles else []
    return laid.reshape(*particles, *outer, *laid.shape[len(particles) :])
