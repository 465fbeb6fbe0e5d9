"""Scales and triangular factors of normals, from unconstrained numbers and back."""

import torch
from torch import Tensor

SMALLEST = 1e-12  # scale: data in large units have coefficients in small ones
SMALL_SCALE = -2.0  # softplus(-2) = 0.13: start with little noise in the gradient


def positive(unconstrained: Tensor) -> Tensor:
    """A scale from an unconstrained number: softplus, with a floor against 0."""
    return torch.nn.functional.softplus(unconstrained) + SMALLEST


def unscaled(scale: Tensor) -> Tensor:
    """The unconstrained number of a scale: the inverse of :func:`positive`."""
    scale = (scale - SMALLEST).clamp(min=SMALLEST)
    return scale + (-torch.expm1(-scale)).log()


def slope(unconstrained: Tensor) -> Tensor:
    """The derivative of :func:`positive`, above 0."""
    return torch.sigmoid(unconstrained).clamp(min=torch.finfo(unconstrained.dtype).tiny)


def factor_size(dimension: int) -> int:
    """How many numbers a lower-triangular factor of that dimension takes."""
    return dimension * (dimension + 1) // 2


def cholesky_factor(values: Tensor, dimension: int) -> Tensor:
    """A lower-triangular matrix with a positive diagonal.

    Args:
        values: unconstrained, shape (..., dimension (dimension + 1) / 2): the diagonal, then
            the rest. Zeros give a small multiple of the identity.
        dimension: size of the matrix.

    Returns:
        Shape (..., dimension, dimension).
    """
    diagonal, below = values[..., :dimension], values[..., dimension:]
    return lower_triangular(positive(diagonal + SMALL_SCALE), below)


def lower_triangular(diagonal: Tensor, below: Tensor) -> Tensor:
    """A matrix (..., d, d) with that diagonal (..., d), and below it (..., d (d - 1) / 2)."""
    size = diagonal.shape[-1]
    row, column = torch.tril_indices(size, size, offset=-1, device=diagonal.device)
    strict = diagonal.new_zeros(*diagonal.shape[:-1], size * size)
    index = (row * size + column).expand_as(below)
    strict = strict.scatter(-1, index, below).unflatten(-1, (size, size))
    return strict + torch.diag_embed(diagonal)


def numbers_of_factor(factor: Tensor) -> Tensor:
    """The numbers of a factor (..., d, d): the inverse of :func:`cholesky_factor`."""
    size = factor.shape[-1]
    row, column = torch.tril_indices(size, size, offset=-1, device=factor.device)
    diagonal = unscaled(factor.diagonal(dim1=-2, dim2=-1)) - SMALL_SCALE
    return torch.cat([diagonal, factor[..., row, column]], dim=-1)


def gradient_of_factor(values: Tensor, gradient: Tensor, dimension: int) -> Tensor:
    """The gradient with respect to a factor (..., d, d), from that of its numbers."""
    diagonal, below = gradient[..., :dimension], gradient[..., dimension:]
    return lower_triangular(diagonal / slope(values[..., :dimension] + SMALL_SCALE), below)
