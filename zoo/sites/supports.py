"""The kind of a latent and the number of its values, both from its support alone."""

from enum import Enum

import torch
from torch.distributions import biject_to, constraints
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint


class Kind(Enum):
    """The kind of a latent, which decides the guides that can cover it.

    A continuous latent has a bijection from unconstrained numbers onto its support; an
    unbijectable one, such as a point on a sphere, has none.
    """

    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    UNBIJECTABLE = "unbijectable"


def kind_of(support: Constraint) -> Kind:
    """The kind of a latent with this support."""
    if support.is_discrete:
        return Kind.DISCRETE
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


def class_count(support: Constraint, event_shape: torch.Size) -> int:
    """Number of values that one discrete element can take; 0 if they are not finitely many."""
    element = of_one_element(support)
    if element is constraints.boolean:
        return 2
    if element is constraints.one_hot:
        return event_shape[-1]
    if isinstance(element, constraints.integer_interval):
        return int(element.upper_bound) - int(element.lower_bound) + 1
    return 0
