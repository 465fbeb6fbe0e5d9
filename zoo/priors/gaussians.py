"""The density that two priors share: a mixture of diagonal Gaussians."""

import math

import torch
from torch import Tensor

from zoo.distributions import Density


def mixture_of(log_weights: Tensor, loc: Tensor, scale: Tensor) -> Density:
    """The mixture sum_c w_c N(z; m_c, diag s_c^2).

    The squares (z - m_c)^2 / s_c^2 are expanded into three matrix products, so that no tensor of
    shape (draws, C, M) is stored. Large terms cancel in their sum, so it is computed in float64.

    Args:
        log_weights: log w_c, normalised, shape (C,).
        loc: m_c, shape (C, M).
        scale: s_c, shape (C, M).
    """

    def score(z: Tensor) -> Tensor:
        u, m, precision = z.double(), loc.double(), scale.double() ** -2
        squares = u**2 @ precision.mT - 2 * u @ (m * precision).mT + (m**2 * precision).sum(-1)
        scales = scale.log().sum(-1) + loc.shape[-1] / 2 * math.log(2 * math.pi)
        return (log_weights - squares / 2 - scales).logsumexp(-1).to(z.dtype)

    def draw(shape: torch.Size) -> Tensor:
        chosen = torch.multinomial(log_weights.exp(), shape.numel(), replacement=True)
        chosen = chosen.reshape(shape)
        return loc[chosen] + scale[chosen] * torch.randn_like(loc[chosen])

    return Density(score, draw, loc.shape[-1])
