"""One latent of a model, and the plates that it lies in."""

from dataclasses import dataclass

import torch
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint

from zoo.sites.supports import Kind, class_count, of_one_element


@dataclass(frozen=True)
class Plate:
    """A vectorised ``pyro.plate``.

    Attributes:
        name: of the plate.
        size: its full size.
        dim: its dimension, counted from the right.
        subsample: how many of its elements one call of the model holds.
        given: is that the number of rows in the arguments? Else the model subsamples by itself.
    """

    name: str
    size: int
    dim: int
    subsample: int
    given: bool


@dataclass(frozen=True)
class Latent:
    """One unobserved sample site.

    Attributes:
        name: of the site.
        support: of its prior.
        event_shape: of one event.
        batch_shape: the shape of its plates at their full sizes.
        plates: that it lies in.
        kind: continuous, discrete, a permutation, spherical, hyperbolic or unbijectable.
        local: does it lie inside the plate over data rows?
        dtype: of the prior's draws.
        reparameterised: are the prior's draws differentiable functions of its parameters?
        elementwise: does the prior of a discrete latent give each element a probability by itself?
        prior: class of the prior, without what only shapes, repeats or masks it.
    """

    name: str
    support: Constraint
    event_shape: torch.Size
    batch_shape: torch.Size
    plates: tuple[Plate, ...]
    kind: Kind
    local: bool
    dtype: torch.dtype | None = None
    reparameterised: bool = True
    elementwise: bool = True
    prior: type | None = None

    @property
    def scope(self) -> str:
        """A word for where it lies: "local" inside the plate over data rows, else "global"."""
        return "local" if self.local else "global"

    @property
    def base_support(self) -> Constraint:
        """The support of one element: `support` without its `independent` wrappers."""
        return of_one_element(self.support)

    @property
    def unconstrained_shape(self) -> torch.Size:
        """Shape of one event in unconstrained space, e.g. (k-1,) for a simplex of k."""
        return torch.Size(biject_to(self.support).inverse_shape(self.event_shape))

    @property
    def size(self) -> int:
        """Number of unconstrained values, plates included."""
        return self.batch_shape.numel() * self.unconstrained_shape.numel()

    @property
    def classes(self) -> int:
        """Number of values that one discrete element can take; 0 if they are not finitely many."""
        return class_count(self.support, self.event_shape)
