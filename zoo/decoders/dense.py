"""Dense decoders: fully connected networks, which share no weights between pixels."""

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn import gated_mlp, mlp


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
    """A network of gated layers; see :func:`zoo.nn.gated_mlp`.

    Args:
        latent: M.
        features: D.
        numbers: outputs for each dimension of the data.
        hidden: widths of the gated layers, from z to x.

    Source: Tomczak and Welling (2018), VAE with a VampPrior, AISTATS.
    """
    return Dense(gated_mlp((latent, *hidden, features * numbers)), numbers)
