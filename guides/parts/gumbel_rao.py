"""Straight-through draws whose relaxed gradient is averaged over noise consistent with the draw.

With D the discrete draw and G ~ p(noise | D; l), the gradient of the sample in the logits l is

    1/R sum_r d softmax( (l + G_r) / tau ) / d l,   G_r held constant,

the mean of the straight-through Gumbel-softmax gradient over all noise that gives the same D: the
same mean, and less variance. For binary latents sigmoid takes the place of softmax, and logistic
noise that of Gumbel noise. The log of the relaxed density is averaged over the same draws. The
mean is straight-through's where the loss is linear in log p and log q: not under iwae and renyi.

Cost: R relaxed values for each draw, and one evaluation of the model.

Source: Paulus, Maddison & Krause 2021, "Rao-Blackwellizing the straight-through Gumbel-softmax
gradient estimator".
"""

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions.utils import clamp_probs
from torch.nn.functional import one_hot


class GumbelRaoBernoulli(dist.RelaxedBernoulli):
    """Zeros and ones with a relaxed gradient averaged over `rao` conditional draws of noise.

    Args:
        temperature: tau, shape ().
        logits: log odds, of any shape.
        rao: number R of conditional draws.
    """

    def __init__(self, temperature: Tensor, logits: Tensor, rao: int) -> None:
        super().__init__(temperature, logits=logits)
        self.rao = rao

    def expand(self, batch_shape: Any, _instance: Any = None) -> "GumbelRaoBernoulli":
        """The same with broadcast logits."""
        return GumbelRaoBernoulli(self.temperature, self.logits.expand(batch_shape), self.rao)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Zeros and ones, shape sample + batch."""
        logits = self.logits.expand(self._extended_shape(sample_shape))
        off = (-logits.detach()).sigmoid()
        hard = (torch.rand_like(logits) >= off).to(logits.dtype)
        noise = logistic_given(hard, off, self.rao)
        return straight_through(hard, ((logits + noise) / self.temperature).sigmoid())

    def log_prob(self, value: Tensor) -> Tensor:
        """Relaxed log density of the draw's relaxed values, averaged over them."""
        return _averaged(super().log_prob, value)


class GumbelRaoOneHotCategorical(dist.RelaxedOneHotCategorical):
    """One-hot vectors with a relaxed gradient averaged over `rao` conditional draws of noise.

    Args:
        temperature: tau, shape ().
        logits: shape (..., classes).
        rao: number R of conditional draws.
    """

    def __init__(self, temperature: Tensor, logits: Tensor, rao: int) -> None:
        super().__init__(temperature, logits=logits)
        self.rao = rao

    def expand(self, batch_shape: Any, _instance: Any = None) -> "GumbelRaoOneHotCategorical":
        """The same with broadcast logits."""
        logits = self.logits.expand(*batch_shape, self.logits.shape[-1])
        return GumbelRaoOneHotCategorical(self.temperature, logits, self.rao)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """One-hot vectors, shape sample + batch + (classes,)."""
        logits = self.logits.expand(self._extended_shape(sample_shape))
        first = logits.detach() - clamp_probs(torch.rand_like(logits)).log().neg().log()
        hard = one_hot(first.argmax(-1), logits.shape[-1]).to(logits.dtype)
        noise = gumbel_given(hard, logits.detach(), self.rao)
        return straight_through(hard, ((logits + noise) / self.temperature).softmax(-1))

    def log_prob(self, value: Tensor) -> Tensor:
        """Relaxed log density of the draw's relaxed values, averaged over them."""
        return _averaged(super().log_prob, value)


def logistic_given(hard: Tensor, off: Tensor, rao: int) -> Tensor:
    """Draws of logistic noise e, given the draw 1[e + l > 0].

    Args:
        hard: the draw, zeros and ones.
        off: chance of a zero, sigmoid(-l), same shape.
        rao: how many.

    Returns:
        Shape (rao, *shape).
    """
    v = torch.rand_like(hard.expand(rao, *hard.shape))
    u = torch.where(hard > 0, off + v * (1 - off), v * off)
    return clamp_probs(u).logit()


def gumbel_given(hard: Tensor, logits: Tensor, rao: int) -> Tensor:
    """Draws of Gumbel noise g, given that l + g is largest where `hard` is one.

    Args:
        hard: the draw, one-hot, shape (..., classes).
        logits: l with logsumexp 0, same shape.
        rao: how many.

    Returns:
        Shape (rao, ..., classes).
    """
    e = -clamp_probs(torch.rand_like(hard.expand(rao, *hard.shape))).log()
    first = (e * hard).sum(-1, keepdim=True)
    return -(first + (1 - hard) * e / logits.exp()).log() - logits


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The discrete value with the mean gradient of its relaxed ones, which it carries along."""
    soft = clamp_probs(soft)
    mean = soft.mean(0)
    value = hard + (mean - mean.detach())
    value._unquantize = soft  # type: ignore[attr-defined]
    return value


def _averaged(log_prob: Any, value: Tensor) -> Tensor:
    soft = vars(value).get("_unquantize")
    return log_prob(value) if soft is None else log_prob(soft).mean(0)
