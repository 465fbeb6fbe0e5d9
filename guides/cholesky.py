"""Covariances by their Cholesky factor, from unconstrained numbers."""

import torch
from torch import Tensor

from guides.guide import positive
from guides.normal import SMALL_SCALE


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
    row, column = torch.tril_indices(dimension, dimension, offset=-1, device=values.device)
    strict = values.new_zeros(*values.shape[:-1], dimension * dimension)
    index = (row * dimension + column).expand_as(below)
    strict = strict.scatter(-1, index, below).unflatten(-1, (dimension, dimension))
    return strict + torch.diag_embed(positive(diagonal + SMALL_SCALE))
