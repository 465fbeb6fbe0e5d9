"""Affine couplings: each moves one half of the values by the other, then reverses their order.

    v_A = u_A,   v_B = exp(a(u_A)) * u_B + m(u_A),   A the first half of the values, B the second.

Source: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP".
Departs from the paper: values are vectors, and a reversal of their order takes the place of
alternating masks.
"""

from collections.abc import Iterable, Sequence

import torch
from pyro.distributions import transforms
from pyro.nn import DenseNN
from torch import Tensor, nn
from torch.distributions import Transform


def coupling_networks(size: int, depth: int, hidden: Sequence[int]) -> nn.ModuleList:
    """`depth` networks from the first half of `size` values to m and a of the second."""
    kept = size // 2
    moved = [size - kept, size - kept]
    return nn.ModuleList(DenseNN(kept, list(hidden), moved) for _ in range(depth))


class Bounded(nn.Module):
    """A coupling's network with log scales softly bounded, a <- c tanh(a / c).

    Args:
        network: to m and a, one of :func:`coupling_networks`.
        most: c, above 0; up to 3 no log scale meets the limits of Pyro's coupling.
    """

    def __init__(self, network: nn.Module, most: float) -> None:
        super().__init__()
        self.network, self.most = network, most

    @property
    def layers(self) -> nn.ModuleList:
        """The network's own layers."""
        return self.network.layers  # type: ignore[return-value]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """M and the bounded a of the second half, from the first."""
        m, a = self.network(x)
        return m, self.most * torch.tanh(a / self.most)


def couplings(networks: Iterable[nn.Module], flipped: Tensor) -> list[Transform]:
    """One coupling and one reversal for each network.

    New transforms for each call: they cache their last values, which would stay in the model.

    Args:
        networks: from :func:`coupling_networks`.
        flipped: places of the values in the opposite order, shape (size,).
    """
    kept, reverse = len(flipped) // 2, transforms.Permute
    steps: list[Transform] = []
    for network in networks:
        steps += [transforms.AffineCoupling(kept, network), reverse(flipped)]
    return steps
