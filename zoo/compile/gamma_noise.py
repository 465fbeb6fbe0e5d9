"""Gamma and Dirichlet draws as functions of a given number of normals and uniforms.

The usual sampler proposes until it accepts. Here all proposals are made at once, and the first
that is accepted is taken. That none is has a probability below 1e-15.

Source: Marsaglia and Tsang (2000), A simple method for generating gamma variables; gradients by
Figurnov, Mohamed and Mnih (2018), Implicit reparameterization gradients.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.fx import GraphModule

from zoo.torch_private import dirichlet_grad, standard_gamma_grad

PROPOSALS = 12  # each is accepted with probability 0.95 or more, so that 0.05^12 = 2e-16


class GammaNoise(NamedTuple):
    """What one tensor of gamma draws is a function of.

    Attributes:
        normals: one for each proposal, shape (PROPOSALS, *shape).
        uniforms: which of them are accepted, shape (PROPOSALS, *shape).
        powers: uniforms for shapes below 1, shape (*shape).
    """

    normals: Tensor
    uniforms: Tensor
    powers: Tensor


def log_gamma_draw(concentration: Tensor, noise: GammaNoise) -> Tensor:
    """Logarithm of a draw from Gamma(concentration, 1), without a gradient.

    A draw for a shape below 1 is one for that shape plus 1, times a power of a uniform.

    Args:
        concentration: the shapes, above 0, shape (*shape).
        noise: what the draws are made of.
    """
    small = concentration < 1
    d = torch.where(small, concentration + 1, concentration) - 1 / 3
    t = _first_accepted(noise, (9 * d).rsqrt())
    power = torch.log1p(-noise.powers) / concentration
    return d.log() + 3 * torch.log1p(t) + torch.where(small, power, 0.0)


def _first_accepted(noise: GammaNoise, width: Tensor) -> Tensor:
    """The first accepted proposal, or the last where none is; Gamma is d (1 + proposal)^3."""
    x, t = noise.normals, width * noise.normals
    log_ratio = x**2 / 6 - x**2 * t / 9 + (torch.log1p(t) - t) / (3 * width**2)
    accepted = torch.log1p(-noise.uniforms) < log_ratio  # is false where 1 + t is not positive
    chosen = t[-1]
    for i in reversed(range(len(t) - 1)):
        chosen = torch.where(accepted[i], t[i], chosen)
    return chosen


class StandardGamma(Function):
    """Draws from Gamma(concentration, 1); differentiated as torch differentiates its own."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, *noise: Tensor) -> Tensor:
        """The draws, no smaller than torch's."""
        draw = log_gamma_draw(concentration, GammaNoise(*noise)).exp()
        draw = draw.clamp(min=torch.finfo(draw.dtype).tiny)
        ctx.save_for_backward(concentration, draw)
        return draw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """By the change of a draw that leaves its distribution function where it is."""
        own = gradients[0] * standard_gamma_grad(*ctx.saved_tensors)
        return own, *(None for _ in GammaNoise._fields)


def dirichlet_draw(concentration: Tensor, noise: GammaNoise) -> Tensor:
    """A point on the simplex, within torch's limits; torch differentiates it by itself.

    Args:
        concentration: shape (*batch, classes).
        noise: of one gamma draw for each class.
    """
    kind = torch.finfo(concentration.dtype)
    draw = log_gamma_draw(concentration, noise).softmax(-1)
    return draw.clamp(min=kind.tiny, max=1 - kind.eps / 2)


class Elementwise(Function):
    """One of torch's functions of tensors of one shape that torch cannot take under vmap."""

    @staticmethod
    def forward(function: Callable, *tensors: Tensor) -> Tensor:
        """The function of the tensors."""
        return function(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Nothing is kept: it is used inside of gradients."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, function: Callable, *tensors: Tensor
    ) -> tuple[Tensor, int]:
        """All of a batch at once."""
        moved = [
            value.unsqueeze(0) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        return Elementwise.apply(function, *torch.broadcast_tensors(*moved)), 0


def gamma_gradient(concentration: Tensor, draw: Tensor) -> Tensor:
    """Torch's derivative of a gamma draw by its shape, under vmap too."""
    return Elementwise.apply(standard_gamma_grad, concentration, draw)


def dirichlet_gradient(draw: Tensor, concentration: Tensor, total: Tensor) -> Tensor:
    """Torch's derivative of each part of a Dirichlet draw by its own shape, under vmap too."""
    return Elementwise.apply(dirichlet_grad, draw, concentration, total)


GRADIENTS = {
    torch.ops.aten._standard_gamma_grad.default: gamma_gradient,
    torch.ops.aten._dirichlet_grad.default: dirichlet_gradient,
}


def take_batches(graph: GraphModule) -> None:
    """Lets the gradients of these draws run under vmap, which would take them one by one."""
    for function, batched in GRADIENTS.items():
        for node in graph.graph.find_nodes(op="call_function", target=function):
            node.target = batched
