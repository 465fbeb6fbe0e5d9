"""Relaxations of binary and one-hot latents, as functions of tensors.

A discrete b is a threshold of a real z, which is a differentiable function of the logits l:

    binary:   z = l + log u - log(1 - u),  b = 1[z > 0],         sigma_tau(z) = sigmoid(z / tau)
    one-hot:  z = log p + g,  g ~ Gumbel,  b = one-hot(argmax),  sigma_tau(z) = softmax(z / tau)

and z~ ~ p(z | b) is a differentiable function of l too, at fixed b and noise v:

    binary:   z~ = s softplus( logit v + softplus(s l) ),    s = 2 b - 1
    one-hot:  z~_k = -log E_k for the k that is on, else z~_i = -log( E_i / p_i + E_k );
              E = -log v.

Source: Maddison, Mnih & Teh 2017; Tucker, Mnih, Maddison, Lawson & Sohl-Dickstein 2017, appendix.
"""

from typing import Any, NamedTuple

import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import Bernoulli, OneHotCategorical
from torch.nn.functional import one_hot, softplus

from zoo.objectives.log_ratio import guide_sites, marginals, widen
from zoo.traces import Pair


class Finite(NamedTuple):
    """Independent binary or one-hot latents of one site.

    Attributes:
        logits: shaped as a draw, (*plates, *event).
        binary: one latent an element, or one a vector over the last dimension?
    """

    logits: Tensor
    binary: bool


def finite_latents(pair: Pair, args: tuple, kwargs: dict, who: str) -> dict[str, Finite]:
    """The latents of each of the guide's sites.

    Raises:
        ValueError: naming a site that is neither Bernoulli nor one-hot.
    """
    kinds, found = (Bernoulli, OneHotCategorical), {}
    for name, q in marginals(guide_sites(pair, args, kwargs), kinds, who).items():
        logits: Tensor = q.logits  # type: ignore[attr-defined]
        logits = widen(logits, pair.latents, pair.latents[name])
        found[name] = Finite(logits, isinstance(q, Bernoulli))
    return found


def mean(q: Finite) -> Tensor:
    """The probabilities, shaped as a draw."""
    return q.logits.sigmoid() if q.binary else q.logits.softmax(-1)


def noise(q: Finite, count: int) -> Tensor:
    """Uniforms strictly between 0 and 1 for that many draws, shape (count, *plates, *event)."""
    least = torch.finfo(q.logits.dtype).eps
    return torch.rand_like(q.logits.expand(count, *q.logits.shape)).clamp(least, 1 - least)


def draw_real(q: Finite, u: Tensor) -> Tensor:
    """The real z of the noise u."""
    if q.binary:
        return q.logits + u.logit()
    return q.logits.log_softmax(-1) - (-u.log()).log()


def threshold(q: Finite, z: Tensor) -> Tensor:
    """The discrete b of z, a constant."""
    if q.binary:
        return (z > 0).to(z.dtype)
    return one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype)


def draw_given(q: Finite, b: Tensor, v: Tensor) -> Tensor:
    """The real z~ of the noise v, given that b is its threshold."""
    if q.binary:
        sign = 2 * b - 1
        return sign * softplus(v.logit() + softplus(sign * q.logits))
    log_e = (-v.log()).log()
    log_e_on = (b * log_e).sum(-1, keepdim=True)
    off = torch.logaddexp(log_e - q.logits.log_softmax(-1), log_e_on)
    return -torch.where(b > 0, log_e_on, off)


def relax(q: Finite, z: Tensor, temperature: Tensor) -> Tensor:
    """The relaxed sigma_tau(z), between 0 and 1."""
    return (z / temperature).sigmoid() if q.binary else (z / temperature).softmax(-1)


def draw(q: Finite, count: int) -> Tensor:
    """That many draws of b, constants, shape (count, *plates, *event)."""
    return threshold(q, draw_real(q, noise(q, count))).detach()


def score_gradient(q: Finite, b: Tensor) -> Tensor:
    """The gradient of log q(b) in the logits, a constant, shaped as a draw."""
    return b - mean(q).detach()


class _LinearOneHot(dist.OneHotCategorical):
    """log q(z) = sum_k z_k log p_k, also between the corners."""

    def log_prob(self, value: Tensor) -> Tensor:
        return (value * self.logits).sum(-1)


class Between(Messenger):
    """Scores one-hot latents between the corners by the linear function, as Bernoulli ones are.

    By itself a one-hot density takes the nearest corner; it jumps, and a gradient misses jumps.
    """

    def _pyro_sample(self, msg: Message) -> None:
        fn: Any = msg["fn"]
        while isinstance(fn, dist.Independent):
            fn = fn.base_dist
        if isinstance(fn, OneHotCategorical) and not msg["is_observed"]:
            linear = _LinearOneHot(logits=fn.logits)
            msg["fn"] = linear.to_event(msg["fn"].event_dim - linear.event_dim)  # type: ignore[attr-defined]
