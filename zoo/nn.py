"""What the models' networks share: multilayer perceptrons, and inputs side by side."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given sizes with an activation between each two.

    It acts on the last dimension and keeps all leading ones: (..., sizes[0]) -> (..., sizes[-1]).

    Args:
        sizes: widths from input to output, at least two.
        activation: makes the nonlinearity; none follows the last layer.

    Returns:
        Linear, activation, Linear, ..., Linear.

    Raises:
        ValueError: fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(
            f"Expected sizes with at least an input and an output width; got {tuple(sizes)}. "
            "Give both, for example (10, 784)."
        )
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def gated_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Gated layers h = (W x + b) * sigmoid(V x + c) of the given sizes; the last one is affine.

    Args:
        sizes: widths from input to output, at least two.

    Source: Dauphin et al. (2017), Language modeling with gated convolutional networks, ICML.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, 2 * outputs), nn.GLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def beside(*values: Tensor) -> Tensor:
    """Values side by side in the last dimension; all other dimensions broadcast."""
    lead = torch.broadcast_shapes(*(value.shape[:-1] for value in values))
    return torch.cat([value.expand(*lead, value.shape[-1]) for value in values], dim=-1)
