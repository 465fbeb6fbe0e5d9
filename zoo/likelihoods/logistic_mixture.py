"""Discretised mixture of logistics: ordered grey levels, with few parameters for each pixel.

    P(k) = sum_c w_c [ F((x_k + h - m_c) / s_c) - F((x_k - h - m_c) / s_c) ],   F the sigmoid,

with x_k = 2 k / (L - 1) - 1 and h = 1 / (L - 1), half a bin; the first bin begins at minus and the
last ends at plus infinity, so that the probabilities of all levels sum to 1.

Source: Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, ICLR.
Departs from the paper: one channel; the difference of sigmoids is written so that nothing cancels,
where the paper replaces it by a density.
"""

from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution, TorchDistributionMixin
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from zoo.likelihoods.levels import Levels

NO_SHAPE = torch.Size()
LEAST_LOG_SCALE = -7.0


class LogisticMixtureLikelihood(nn.Module):
    """Independent pixels of L grey levels.

    Args:
        levels: L.
        components: number of logistics in each pixel's mixture.
    """

    def __init__(self, levels: int = 256, components: int = 5) -> None:
        super().__init__()
        self.levels, self.numbers = levels, 3 * components

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The distribution of a row: (..., D, 3 C) -> event shape (D,), values k / (L - 1)."""
        return Levels(self._logistics(outputs), self.levels).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row: (..., D, 3 C) -> (..., D), in [0, 1]."""
        return self._logistics(outputs).mean / (self.levels - 1)

    def _logistics(self, outputs: Tensor) -> "DiscretisedLogistics":
        logits, loc, log_scale = outputs.chunk(3, dim=-1)
        scale = log_scale.clamp(min=LEAST_LOG_SCALE).exp()
        return DiscretisedLogistics(logits.log_softmax(-1), loc, scale, self.levels)


class DiscretisedLogistics(TorchDistribution):
    """A mixture of logistics rounded to one of L bins.

    Args:
        log_weights: log w_c, normalised, shape (*batch, C).
        loc: m_c, where the bins' centres run from -1 to 1.
        scale: s_c.
        levels: L, at least 2.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    has_rsample = False

    def __init__(self, log_weights: Tensor, loc: Tensor, scale: Tensor, levels: int) -> None:
        self.log_weights, self.loc, self.scale, self.levels = log_weights, loc, scale, levels
        super().__init__(loc.shape[:-1], torch.Size(), validate_args=False)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.log_weights, self.loc, self.scale

    def expand(self, batch_shape: Any, _instance: object = None) -> "DiscretisedLogistics":
        """The same with another batch shape."""
        shape = (*batch_shape, self.loc.shape[-1])
        log_weights, loc, scale = (part.expand(shape) for part in self._parts)
        return DiscretisedLogistics(log_weights, loc, scale, self.levels)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log P(k), nats; `value` holds the integers k as floats."""
        k, half = value.unsqueeze(-1), 1 / (self.levels - 1)
        x = 2 * half * k - 1
        above, below = (x + half - self.loc) / self.scale, (x - half - self.loc) / self.scale
        # F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))
        inside = (-torch.expm1(-2 * half / self.scale)).log()
        middle = logsigmoid(above) + logsigmoid(-below) + inside
        parts = torch.where(k >= self.levels - 1, logsigmoid(-below), middle)
        parts = torch.where(k <= 0, logsigmoid(above), parts)
        return (self.log_weights + parts).logsumexp(-1)

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws integers, as floats."""
        with torch.no_grad():
            shape = (*sample_shape, *self.batch_shape)
            parts = [part.expand(*shape, -1) for part in self._parts]
            weights = parts[0].exp().reshape(-1, self.loc.shape[-1])
            chosen = torch.multinomial(weights, 1).reshape(*shape, 1)
            loc, scale = (part.gather(-1, chosen).squeeze(-1) for part in parts[1:])
            u = torch.rand_like(loc)
            x = loc + scale * (u.log() - torch.log1p(-u))
            return ((x + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1)

    @property
    def mean(self) -> Tensor:
        """E[k] = sum_k P(k' > k), shape (*batch,)."""
        half = 1 / (self.levels - 1)
        k = torch.arange(self.levels - 1, dtype=self.loc.dtype, device=self.loc.device)
        edges = (2 * half * k - 1 + half).reshape(-1, *[1] * self.loc.dim())
        above = torch.sigmoid((self.loc - edges) / self.scale).sum(0)
        return (self.log_weights.exp() * above).sum(-1)
