"""Gamma and Dirichlet draws as functions of a given number of normals and uniforms.

The usual sampler proposes values until one is accepted. Here a fixed number of proposals is made
at once, and the first accepted one is taken. The probability that none is accepted is below 1e-15.

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

PROPOSALS = 12  # each is refused with probability 0.05 or less, all of them with 0.05^12 = 2e-16


class GammaNoise(NamedTuple):
    """The normals and uniforms that one tensor of gamma draws is computed from.

    Attributes:
        normals: one for each proposal, shape (PROPOSALS, *shape).
        uniforms: decide which proposals are accepted, shape (PROPOSALS, *shape).
        powers: uniforms that are used where the concentration is below 1, shape (*shape).
    """

    normals: Tensor
    uniforms: Tensor
    powers: Tensor


def log_gamma_draw(concentration: Tensor, noise: GammaNoise) -> Tensor:
    """Logarithms of draws from Gamma(concentration, 1), without a gradient.

    Where the concentration c is below 1, a draw is one of Gamma(c + 1, 1) times u^(1/c) with a
    uniform u.

    Args:
        concentration: above 0, shape (*shape).
        noise: what the draws are computed from.
    """
    small = concentration < 1
    d = torch.where(small, concentration + 1, concentration) - 1 / 3
    t = _first_accepted(noise, (9 * d).rsqrt())
    power = torch.log1p(-noise.powers) / concentration
    return d.log() + 3 * torch.log1p(t) + torch.where(small, power, 0.0)


def _first_accepted(noise: GammaNoise, width: Tensor) -> Tensor:
    """The first accepted proposal t, or the last where none is; the draw is d (1 + t)^3."""
    x, t = noise.normals, width * noise.normals
    log_ratio = x**2 / 6 - x**2 * t / 9 + (torch.log1p(t) - t) / (3 * width**2)
    accepted = torch.log1p(-noise.uniforms) < log_ratio  # false where 1 + t is not positive
    chosen = t[-1]
    for i in reversed(range(len(t) - 1)):
        chosen = torch.where(accepted[i], t[i], chosen)
    return chosen


class StandardGamma(Function):
    """Draws from Gamma(concentration, 1), with the gradient that torch gives its own draws."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, *noise: Tensor) -> Tensor:
        """The draws, at least the smallest positive number as torch's own are."""
        draw = log_gamma_draw(concentration, GammaNoise(*noise)).exp()
        draw = draw.clamp(min=torch.finfo(draw.dtype).tiny)
        ctx.save_for_backward(concentration, draw)
        return draw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The implicit gradient: a draw moves so that its distribution function stays the same."""
        own = gradients[0] * standard_gamma_grad(*ctx.saved_tensors)
        return own, *(None for _ in GammaNoise._fields)


def dirichlet_draw(concentration: Tensor, noise: GammaNoise) -> Tensor:
    """Draws from a Dirichlet, clamped as torch clamps its own; torch has their gradient.

    Args:
        concentration: shape (*batch, classes).
        noise: of one gamma draw for each class.
    """
    kind = torch.finfo(concentration.dtype)
    draw = log_gamma_draw(concentration, noise).softmax(-1)
    return draw.clamp(min=kind.tiny, max=1 - kind.eps / 2)


class Elementwise(Function):
    """A function of tensors of one shape under vmap, for functions of torch that refuse vmap."""

    @staticmethod
    def forward(function: Callable, *tensors: Tensor) -> Tensor:
        """The function of the tensors."""
        return function(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Saves nothing: these functions are gradients, and are not differentiated again."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, function: Callable, *tensors: Tensor
    ) -> tuple[Tensor, int]:
        """The function of the whole batch in one call."""
        moved = [
            value.unsqueeze(0) if dim is None else value.movedim(dim, 0)
            for value, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        return Elementwise.apply(function, *torch.broadcast_tensors(*moved)), 0


def _by_element(function: Callable, *tensors: Tensor) -> Tensor:
    """The function, under vmap too, which has ended before the compiler comes to see a step.

    Torch 2.14 compiles no Function that takes a function.
    """
    if torch.compiler.is_compiling():
        return function(*tensors)
    return Elementwise.apply(function, *tensors)


def gamma_gradient(concentration: Tensor, draw: Tensor) -> Tensor:
    """Torch's derivative of gamma draws with respect to the concentration, under vmap too."""
    return _by_element(standard_gamma_grad, concentration, draw)


def dirichlet_gradient(draw: Tensor, concentration: Tensor, total: Tensor) -> Tensor:
    """Torch's derivative of each part of Dirichlet draws by its concentration, under vmap too."""
    return _by_element(dirichlet_grad, draw, concentration, total)


GRADIENTS = {
    torch.ops.aten._standard_gamma_grad.default: gamma_gradient,
    torch.ops.aten._dirichlet_grad.default: dirichlet_gradient,
}


def take_batches(graph: GraphModule) -> None:
    """Replaces the gradients of these draws in a graph by ones that take a whole vmap batch."""
    for function, batched in GRADIENTS.items():
        for node in graph.graph.find_nodes(op="call_function", target=function):
            node.target = batched
