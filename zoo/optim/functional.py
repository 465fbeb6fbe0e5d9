"""Update rules as pure functions of tensors, each equal to torch.optim's.

What depends on the number of the update alone, the rates, is worked out once a step and not once
an element.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Moments = tuple[Tensor, ...]
Rates = tuple[Tensor, ...]


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        apply: (parameters, gradient, moments, rates, weight decay) -> (parameters, moments).
        rates: (count, learning rate) -> rates, each shaped as the learning rate; `count` numbers
            the update from 1.
        moments: names of its running averages in the state of torch's optimizer.
    """

    apply: Callable[[Tensor, Tensor, Moments, Rates, float], tuple[Tensor, Moments]]
    rates: Callable[[Tensor, Tensor], Rates]
    moments: tuple[str, ...]


def constant(count: Tensor, lr: Tensor) -> Rates:
    """The learning rate as it is."""
    return (lr,)


def unbiased(count: Tensor, lr: Tensor) -> Rates:
    """Learning rate, step size and epsilon that undo the bias of Adam's averages to 0."""
    mean = 1 - torch.exp(count * math.log(0.9))
    root = (1 - torch.exp(count * math.log(0.999))).sqrt()
    return lr, lr * root / mean, 1e-8 * root * torch.ones_like(lr)


def sgd(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """P - lr g."""
    return p - rates[0] * (g + decay * p), moments


def adam(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Kingma & Ba 2015, with L2 weight decay."""
    m, v = _averages(g + decay * p if decay else g, moments)
    return p - rates[1] * (m / (v.sqrt() + rates[2])), (m, v)


def adamw(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""
    return adam(p * (1 - rates[0] * decay), g, moments, rates, 0.0)


def clipped_adam(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Pyro's ClippedAdam: every coordinate of the gradient clipped to [-10, 10]."""
    g = g.clamp(-10.0, 10.0)
    m, v = _averages(g + decay * p if decay else g, moments)
    return p - rates[1] * (m / (v.sqrt() + 1e-8)), (m, v)


def rmsprop(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Tieleman & Hinton 2012, with smoothing 0.99."""
    g = g + decay * p if decay else g
    square = 0.99 * moments[0] + 0.01 * g * g
    return p - rates[0] * (g / (square.sqrt() + 1e-8)), (square,)


def rmsprop_centred(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Graves 2013: RMSprop with a running variance in the place of the mean square."""
    g = g + decay * p if decay else g
    square = 0.99 * moments[0] + 0.01 * g * g
    mean = moments[1] + 0.01 * (g - moments[1])
    return p - rates[0] * (g / ((square - mean * mean).sqrt() + 1e-8)), (square, mean)


def adagrad(
    p: Tensor, g: Tensor, moments: Moments, rates: Rates, decay: float
) -> tuple[Tensor, Moments]:
    """Duchi, Hazan & Singer 2011."""
    g = g + decay * p if decay else g
    total = moments[0] + g * g
    return p - rates[0] * (g / (total.sqrt() + 1e-10)), (total,)


def _averages(g: Tensor, moments: Moments) -> tuple[Tensor, Tensor]:
    """Running averages of the gradient and its square."""
    return 0.9 * moments[0] + 0.1 * g, 0.999 * moments[1] + 0.001 * g * g


def clip_to_norm(gradients: tuple[Tensor, ...], limit: float) -> tuple[Tensor, ...]:
    """The gradients, shrunk to at most that joint norm: ``torch.nn.utils.clip_grad_norm_``."""
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    return tuple(gradient * factor for gradient in gradients)


RULES: dict[str, Rule] = {
    "sgd": Rule(sgd, constant, ()),
    "adam": Rule(adam, unbiased, ("exp_avg", "exp_avg_sq")),
    "adamw": Rule(adamw, unbiased, ("exp_avg", "exp_avg_sq")),
    "clipped_adam": Rule(clipped_adam, unbiased, ("exp_avg", "exp_avg_sq")),
    "rmsprop": Rule(rmsprop, constant, ("square_avg",)),
    "rmsprop_centred": Rule(rmsprop_centred, constant, ("square_avg", "grad_avg")),
    "adagrad": Rule(adagrad, constant, ("sum",)),
}
