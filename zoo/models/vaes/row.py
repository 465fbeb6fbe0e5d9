"""The distribution of a row given z, from a decoder and a likelihood."""

from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.decoders import Autoregressive


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
