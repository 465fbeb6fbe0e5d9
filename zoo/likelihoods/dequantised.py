"""Gaussian density of dequantised pixels, with a scale of its own for each pixel.

    y_j ~ N(m_j, s_j^2),   y_j = (k_j + u_j) / L in [0, 1],   o_j = (m_j, log s_j + 2).

It is a density of y, which can exceed 1; the model `dequantised_vae` integrates it over the bin of
each grey level, which gives a probability.

Source: Uria, Murray and Larochelle (2013), RNADE: the real-valued neural autoregressive
density-estimator, NeurIPS.
"""

import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

INITIAL_LOG_SCALE = -2.0  # a scale of 0.14 at first, where pixels lie in [0, 1]


class DequantisedLikelihood(nn.Module):
    """Independent normals over y, the continuous value in the bin of a grey level."""

    numbers = 2

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The density of y: (..., D, 2) -> event shape (D,)."""
        loc, log_scale = outputs.unbind(-1)
        return dist.Normal(loc, (log_scale + INITIAL_LOG_SCALE).exp()).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected y: (..., D, 2) -> (..., D)."""
        return outputs[..., 0]
