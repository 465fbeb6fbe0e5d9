"""A mixture of normals for each dimension: x_j ~ sum_c w_jc N(m_jc, s_jc^2), C components.

Source: Bishop (1994), Mixture density networks; in an autoregressive model Uria, Murray and
Larochelle (2013), RNADE, NeurIPS.
"""

import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

LEAST_LOG_SCALE = -7.0


class GaussianMixtureLikelihood(nn.Module):
    """Independent real numbers, each with a mixture of its own.

    Args:
        components: number of normals C in each mixture.
    """

    def __init__(self, components: int = 5) -> None:
        super().__init__()
        self.numbers = 3 * components

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The distribution of a row: (..., D, 3 C) -> event shape (D,)."""
        logits, loc, log_scale = outputs.chunk(3, dim=-1)
        normals = dist.Normal(loc, log_scale.clamp(min=LEAST_LOG_SCALE).exp())
        return dist.MixtureSameFamily(dist.Categorical(logits=logits), normals).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row: (..., D, 3 C) -> (..., D)."""
        logits, loc, _ = outputs.chunk(3, dim=-1)
        return (logits.softmax(-1) * loc).sum(-1)
