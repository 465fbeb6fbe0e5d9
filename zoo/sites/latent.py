"""One latent of a model, and the plates that it lies in."""

from dataclasses import dataclass

import torch
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint

from zoo.sites.supports import Kind, class_count, of_one_element


@dataclass(frozen=True)
class Plate:
    """A vectorised ``pyro.plate``.

    `size` is its full size and `subsample` what one call holds; `given` says whether that is the
    number of rows in the arguments (else the model subsamples for itself).
    """

    name: str
    size: int
    dim: int
    subsample: int
    given: bool


@dataclass(frozen=True)
class Latent:
    """One unobserved sample site.

    `batch_shape` is the shape of its plates at their full sizes, `local` says whether the site
    lies inside the plate over data rows, `dtype` is that of the prior's draws.
    """

    name: str
    support: Constraint
    event_shape: torch.Size
    batch_shape: torch.Size
    plates: tuple[Plate, ...]
    kind: Kind
    local: bool
    dtype: torch.dtype | None = None

    @property
    def scope(self) -> str:
        """Where it lies: "local" inside the plate over data rows, else "global"."""
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
        """Number of values one discrete element can take; 0 if it is not finite."""
        return class_count(self.support, self.event_shape)
