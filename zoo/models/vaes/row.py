"""The distribution of a row given z, from a decoder and a likelihood."""

from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import Autoregressive
from zoo.likelihoods import LIKELIHOODS
from zoo.models.parts import Parts, check_likelihood


def row_given(decoder: nn.Module, likelihood: nn.Module, z: Tensor) -> TorchDistributionMixin:
    """Distribution of a row: event shape (D,), batch shape that of z (..., M)."""
    if isinstance(decoder, Autoregressive):
        return decoder.distribution(z, likelihood)
    return likelihood(decoder(z))


def mean_row(decoder: nn.Module, likelihood: nn.Module, z: Tensor) -> Tensor:
    """Expected row given z, or one draw where the decoder is autoregressive: (..., D)."""
    if isinstance(decoder, Autoregressive):
        return decoder.distribution(z, likelihood).sample()
    return likelihood.mean(decoder(z))  # type: ignore[operator]


def curved_likelihood(model: str, data: Data, parts: Parts) -> nn.Module:
    """The likelihood of a model on a sphere or in hyperbolic space, with fresh parameters.

    Raises:
        ValueError: if it does not suit the data, or is a density of levels with noise.
    """
    assert parts.likelihood is not None
    check_likelihood(parts.likelihood, data)
    choice = LIKELIHOODS[parts.likelihood]
    if choice.dequantises:
        raise ValueError(
            f"Likelihood '{parts.likelihood}' is a density of levels with noise; {model} draws "
            "none. Use model 'dequantised_vae', or the likelihood 'logistic_mixture'."
        )
    return choice.build(data.levels)
