"""What the values of a latent look like: some objectives are for some forms only."""

from enum import Enum

from torch.distributions import constraints

from zoo.latents import Kind, Latent


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


BITS = frozenset({Form.BINARY})
RELAXABLE = frozenset({Form.BINARY, Form.ONE_HOT})
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
    if latent.classes:
        return Form.INTEGER
    return OF_KINDS[latent.kind]
