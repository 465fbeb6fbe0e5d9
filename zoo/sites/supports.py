"""The kind of a latent and the number of its values, both from its support alone."""

import math
from enum import Enum

import torch
from pyro.distributions.constraints import sphere
from torch.distributions import biject_to, constraints
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint

from zoo.manifolds.hyperboloid import Hyperboloid, hyperboloid
from zoo.permutations.support import Permutation

NO_EVENT = torch.Size()
WORDS = {  # support of one element -> in words: of a single value, of an event with a shape
    constraints.real: ("real numbers", "real vectors"),
    constraints.real_vector: ("real vectors", "real vectors"),
    constraints.nonnegative: ("numbers of at least 0", "vectors of numbers of at least 0"),
    constraints.positive: ("positive numbers", "vectors of positive numbers"),
    constraints.unit_interval: ("numbers from 0 to 1", "vectors of numbers from 0 to 1"),
    constraints.boolean: ("0 or 1", "vectors of zeros and ones"),
    constraints.one_hot: ("one-hot vectors", "one-hot vectors"),
    constraints.simplex: ("probability vectors", "probability vectors"),
    constraints.nonnegative_integer: ("whole numbers from 0 on", "vectors of whole numbers"),
    constraints.lower_cholesky: ("Cholesky factors", "Cholesky factors"),
    constraints.corr_cholesky: ("Cholesky factors of correlations",) * 2,
    sphere: ("points on a sphere",) * 2,
    hyperboloid: ("points of hyperbolic space",) * 2,
}


class Kind(Enum):
    """The kind of a latent, which decides the guides that can cover it.

    A continuous latent has a bijection from unconstrained numbers onto its support, and a density
    with respect to Lebesgue measure. A spherical latent is a point on the unit sphere, with a
    density with respect to surface measure. A hyperbolic one is a point on the hyperboloid of the
    Lorentz model, with a density with respect to its Riemannian volume. An unbijectable one lies
    in any other space without such a bijection.
    """

    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    SPHERE = "spherical"
    HYPERBOLOID = "hyperbolic"
    UNBIJECTABLE = "unbijectable"
    PERMUTATION = "permutation"


SUMMED = frozenset({Kind.DISCRETE, Kind.PERMUTATION})  # over whose values a sum can go


MANIFOLDS = {type(sphere): Kind.SPHERE, Hyperboloid: Kind.HYPERBOLOID}


def kind_of(support: Constraint) -> Kind:
    """The kind of a latent with this support."""
    if isinstance(of_one_element(support), Permutation):
        return Kind.PERMUTATION
    if support.is_discrete:
        return Kind.DISCRETE
    curved = MANIFOLDS.get(type(of_one_element(support)))
    if curved is not None:
        return curved
    try:
        biject_to(support)
    except NotImplementedError:
        return Kind.UNBIJECTABLE
    return Kind.CONTINUOUS


def unmixed(support: Constraint) -> Constraint:
    """The support that all components of a mixture share; any other support as it is.

    Torch wraps the support of a ``MixtureSameFamily`` in a constraint of its own, for which no
    bijection is known.
    """
    if isinstance(support, MixtureSameFamilyConstraint):
        return unmixed(support.base_constraint)
    if isinstance(support, constraints.independent):
        base = unmixed(support.base_constraint)
        if base is not support.base_constraint:
            return constraints.independent(base, support.reinterpreted_batch_ndims)
    return support


def of_one_element(support: Constraint) -> Constraint:
    """The support without its `independent` wrappers."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def in_words(support: Constraint, event_shape: torch.Size = NO_EVENT) -> str:
    """The values of a support, as a phrase: "real vectors of 2", "positive numbers"."""
    element = of_one_element(unmixed(support))
    for known, (one, several) in WORDS.items():
        if element is known:
            sized = f" of {' x '.join(map(str, event_shape))}" if event_shape else ""
            return (several if event_shape else one) + sized
    if isinstance(element, Permutation):
        return f"permutations of {event_shape[-1]} items" if event_shape else "permutations"
    if isinstance(element, constraints.integer_interval):
        return f"whole numbers from {element.lower_bound} to {element.upper_bound}"
    if isinstance(element, constraints.interval):
        return f"numbers from {element.lower_bound} to {element.upper_bound}"
    return f"values of the support {element}"


def class_count(support: Constraint, event_shape: torch.Size) -> int:
    """Number of values that one discrete element can take; 0 if they are not finitely many."""
    element = of_one_element(support)
    if element is constraints.boolean:
        return 2
    if element is constraints.one_hot:
        return event_shape[-1]
    if isinstance(element, Permutation):
        return math.factorial(event_shape[-1])
    if isinstance(element, constraints.integer_interval):
        return int(element.upper_bound) - int(element.lower_bound) + 1
    return 0
