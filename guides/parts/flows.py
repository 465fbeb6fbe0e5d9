"""Stacks of inverse autoregressive steps, with or without a context."""

import math

import torch
from pyro.distributions import transforms
from pyro.nn import AutoRegressiveNN, ConditionalAutoRegressiveNN
from torch import nn

GATE_AT_START = 1 / (1 + math.exp(-2))  # of a step before training, about
LEAST_HIDDEN = 32  # of a network that also reads a context


def autoregressive_stack(size: int, depth: int, hidden: int) -> nn.ModuleList:
    """`depth` steps z <- s(z) * z + (1 - s(z)) * m(z), autoregressive, in alternating order.

    Near the identity at first: s starts at sigmoid(2).
    """
    nets = [
        AutoRegressiveNN(size, [hidden], permutation=order)  # type: ignore[arg-type]
        for order in _orders(size, depth)
    ]
    steps = [transforms.AffineAutoregressive(_in_order(net), stable=True) for net in nets]
    return nn.ModuleList(steps)


def conditional_stack(size: int, context: int, depth: int, hidden: int | None) -> nn.ModuleList:
    """The same with s(z, h) and m(z, h) for a context h of that many values."""
    nets = conditional_nets(size, context, depth, hidden, [1, 1])
    steps = [transforms.ConditionalAffineAutoregressive(net, stable=True) for net in nets]
    return nn.ModuleList(steps)


def conditional_nets(
    size: int, context: int, depth: int, hidden: int | None, numbers: list[int]
) -> nn.ModuleList:
    """`depth` masked networks, in alternating order, that also read a context.

    Each maps z (..., size) and h (..., context) to one tensor (..., n, size) for each n in
    `numbers`; what belongs to a value depends on the values before it alone. By default its
    hidden units are twice the size, at least 32.
    """
    width = hidden or max(2 * size, LEAST_HIDDEN)
    nets = [
        ConditionalAutoRegressiveNN(
            size,
            context,
            [width],
            param_dims=numbers,
            permutation=order,  # type: ignore[arg-type]
        )
        for order in _orders(size, depth)
    ]
    return nn.ModuleList(_in_order(net) for net in nets)


def _orders(size: int, depth: int) -> list[torch.Tensor]:
    return [torch.arange(size) if i % 2 == 0 else torch.arange(size).flip(0) for i in range(depth)]


def _in_order(net: nn.Module) -> nn.Module:
    """The network with its order as plain numbers.

    The inverse of a step goes through them one by one, and a captured step cannot read numbers
    out of a tensor.
    """
    order = net.permutation.tolist()  # type: ignore[operator,union-attr]
    del net.permutation
    net.permutation = order  # type: ignore[assignment]
    return net
