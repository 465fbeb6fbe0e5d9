"""Update rules as pure functions of one parameter vector, each equal to torch.optim's."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Moments = tuple[Tensor, ...]
Apply = Callable[[Tensor, Tensor, Moments, Tensor, Tensor, float], tuple[Tensor, Moments]]


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        apply: (parameters, gradient, moments, count, lr, weight decay) -> (parameters, moments);
            `count` numbers this update from 1.
        moments: names of its running averages in the state of torch's optimizer.
    """

    apply: Apply
    moments: tuple[str, ...]


def sgd(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """P - lr g."""
    return p - lr * (g + decay * p), moments


def adam(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """Kingma & Ba 2015, with L2 weight decay."""
    return _adam_step(p, g + decay * p if decay else g, moments, count, lr)


def adamw(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""
    return _adam_step(p * (1 - lr * decay), g, moments, count, lr)


def clipped_adam(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """Pyro's ClippedAdam: every coordinate of the gradient clipped to [-10, 10]."""
    g = g.clamp(-10.0, 10.0)
    m, v, unbias_m, unbias_v = _averages(g + decay * p if decay else g, moments, count)
    return p - lr * unbias_v.sqrt() / unbias_m * m / (v.sqrt() + 1e-8), (m, v)


def rmsprop(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """Tieleman & Hinton 2012, with smoothing 0.99."""
    g = g + decay * p if decay else g
    square = 0.99 * moments[0] + 0.01 * g * g
    return p - lr * g / (square.sqrt() + 1e-8), (square,)


def adagrad(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor, decay: float
) -> tuple[Tensor, Moments]:
    """Duchi, Hazan & Singer 2011."""
    g = g + decay * p if decay else g
    total = moments[0] + g * g
    return p - lr * g / (total.sqrt() + 1e-10), (total,)


def _adam_step(
    p: Tensor, g: Tensor, moments: Moments, count: Tensor, lr: Tensor
) -> tuple[Tensor, Moments]:
    m, v, unbias_m, unbias_v = _averages(g, moments, count)
    return p - lr / unbias_m * m / (v.sqrt() / unbias_v.sqrt() + 1e-8), (m, v)


def _averages(g: Tensor, moments: Moments, count: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Running averages of the gradient and its square, and what to divide them by."""
    m = 0.9 * moments[0] + 0.1 * g
    v = 0.999 * moments[1] + 0.001 * g * g
    unbias_m = 1 - torch.exp(count * math.log(0.9))
    unbias_v = 1 - torch.exp(count * math.log(0.999))
    return m, v, unbias_m, unbias_v


def clip_to_norm(g: Tensor, limit: float) -> Tensor:
    """The gradient, shrunk to at most that norm: ``torch.nn.utils.clip_grad_norm_``."""
    return g * (limit / (g.norm() + 1e-6)).clamp(max=1.0)


RULES: dict[str, Rule] = {
    "sgd": Rule(sgd, ()),
    "adam": Rule(adam, ("exp_avg", "exp_avg_sq")),
    "adamw": Rule(adamw, ("exp_avg", "exp_avg_sq")),
    "clipped_adam": Rule(clipped_adam, ("exp_avg", "exp_avg_sq")),
    "rmsprop": Rule(rmsprop, ("square_avg",)),
    "adagrad": Rule(adagrad, ("sum",)),
}
