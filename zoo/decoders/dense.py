"""Dense decoders: the same network for every row, no weights shared between pixels."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from zoo.nn import mlp


class Dense(nn.Module):
    """Any network from z to D x numbers outputs, laid out as (..., D, numbers).

    Args:
        network: (..., M) -> (..., D * numbers).
        numbers: outputs for each dimension of the data.
    """

    def __init__(self, network: nn.Module, numbers: int) -> None:
        super().__init__()
        self.network, self.numbers = network, numbers

    def forward(self, z: Tensor) -> Tensor:
        """Outputs for the likelihood: (..., M) -> (..., D, numbers)."""
        return self.network(z).unflatten(-1, (-1, self.numbers))


def relu_decoder(
    latent: int, features: int, numbers: int, hidden: Sequence[int] = (200,)
) -> Dense:
    """A multilayer perceptron with ReLU units, as in `bernoulli_vae`.

    Args:
        latent: M.
        features: D.
        numbers: outputs for each dimension of the data.
        hidden: widths of the hidden layers, from z to x.
    """
    return Dense(mlp((latent, *hidden, features * numbers), nn.ReLU), numbers)


def gated_decoder(
    latent: int, features: int, numbers: int, hidden: Sequence[int] = (300, 300)
) -> Dense:
    """Gated dense layers, h = (W z + b) * sigmoid(V z + c); the last layer is affine.

    Args:
        latent: M.
        features: D.
        numbers: outputs for each dimension of the data.
        hidden: widths of the gated layers, from z to x.

    Source: Dauphin et al. (2017), Language modeling with gated convolutional networks, ICML; used
    so by Tomczak and Welling (2018), VAE with a VampPrior, AISTATS.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((latent, *hidden)):
        layers += [nn.Linear(inputs, 2 * outputs), nn.GLU()]
    last = hidden[-1] if hidden else latent
    return Dense(nn.Sequential(*layers, nn.Linear(last, features * numbers)), numbers)
