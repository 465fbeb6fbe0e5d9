"""Affine couplings: each moves one half of the values by the other, then reverses their order.

    v_A = u_A,   v_B = exp(a(u_A)) * u_B + m(u_A),   A the first half of the values, B the second.

Source: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP".
Departs from the paper: values are vectors, and a reversal of their order takes the place of
alternating masks.
"""

from collections.abc import Callable, Iterable, Sequence

from pyro.distributions import transforms
from pyro.nn import DenseNN
from torch import Tensor, nn
from torch.distributions import Transform


def coupling_networks(
    size: int, depth: int, hidden: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.ModuleList:
    """`depth` networks from the first half of `size` values to m and a of the second.

    Args:
        size: number of values.
        depth: number of networks.
        hidden: numbers of hidden units.
        activation: makes the nonlinearity after each layer but the last; with a bounded one m and
            a are bounded too.
    """
    kept = size // 2
    moved = [size - kept, size - kept]
    return nn.ModuleList(DenseNN(kept, list(hidden), moved, activation()) for _ in range(depth))


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
