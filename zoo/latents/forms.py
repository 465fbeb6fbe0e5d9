"""What the values of a latent look like: some objectives are for some forms only."""

from enum import Enum

from torch import Tensor
from torch.distributions import constraints

from zoo.latents import Kind, Latent
from zoo.permutations.support import as_matrix


class Form(Enum):
    """A finer division than :class:`zoo.latents.Kind`; it follows from the support alone too."""

    BINARY = "binary"
    ONE_HOT = "one-hot"
    INTEGER = "integer"
    COUNT = "unbounded integer"
    CONTINUOUS = "continuous"
    SPHERE = "spherical"
    HYPERBOLOID = "hyperbolic"
    UNBIJECTABLE = "unbijectable"
    PERMUTATION = "permutation"


BITS = frozenset({Form.BINARY})
RELAXABLE = frozenset({Form.BINARY, Form.ONE_HOT})
LABELS = RELAXABLE | {Form.PERMUTATION}  # whose means are probabilities
FINITE = frozenset({Form.BINARY, Form.ONE_HOT, Form.INTEGER})

OF_KINDS = {
    Kind.DISCRETE: Form.COUNT,
    Kind.CONTINUOUS: Form.CONTINUOUS,
    Kind.SPHERE: Form.SPHERE,
    Kind.HYPERBOLOID: Form.HYPERBOLOID,
    Kind.UNBIJECTABLE: Form.UNBIJECTABLE,
}


def form_of(latent: Latent) -> Form:
    """The form of one latent."""
    if latent.base_support is constraints.boolean:
        return Form.BINARY
    if latent.base_support is constraints.one_hot:
        return Form.ONE_HOT
    if latent.kind is Kind.PERMUTATION:
        return Form.PERMUTATION
    if latent.classes:
        return Form.INTEGER
    return OF_KINDS[latent.kind]


def as_numbers(value: Tensor, latent: Latent) -> Tensor:
    """Values of which means can be taken: of a permutation its matrix, of others what they are.

    The numbers of a permutation name places. The mean of its matrices holds the probability of
    each item in each place.

    Args:
        value: of the latent, shape (..., *event).
        latent: whose value it is.

    Returns:
        Shape (..., *event), for a permutation (..., n, n).
    """
    return as_matrix(value) if latent.kind is Kind.PERMUTATION else value
