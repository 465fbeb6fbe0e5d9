"""The density that two priors share: a mixture of diagonal Gaussians."""

import torch
from torch import Tensor
from torch.distributions import Normal

from zoo.density import Density


def mixture_of(log_weights: Tensor, loc: Tensor, scale: Tensor) -> Density:
    """sum_c w_c N(z; m_c, diag s_c^2).

    Args:
        log_weights: log w_c, normalised, shape (C,).
        loc: m_c, shape (C, M).
        scale: s_c, shape (C, M).
    """

    def score(z: Tensor) -> Tensor:
        parts = Normal(loc, scale, validate_args=False).log_prob(z.unsqueeze(-2)).sum(-1)
        return (log_weights + parts).logsumexp(-1)

    def draw(shape: torch.Size) -> Tensor:
        chosen = torch.multinomial(log_weights.exp(), shape.numel(), replacement=True)
        chosen = chosen.reshape(shape)
        return loc[chosen] + scale[chosen] * torch.randn_like(loc[chosen])

    return Density(score, draw, loc.shape[-1])
