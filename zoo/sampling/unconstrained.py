"""Latents as one tensor u of unconstrained numbers, which is what a sampler moves.

Shapes: u (chains, rows, size) where all latents belong to a row, else (chains, 1, size).
"""

from dataclasses import dataclass
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint

from zoo.latents import Latent, Latents
from zoo.sites.supports import unmixed


@dataclass(frozen=True)
class Columns:
    """Which columns of u belong to which site.

    Attributes:
        latents: description of the model.
        sites: the continuous latents, in order.
        held: number of data rows in one run of the model; 1 if it has none.
    """

    latents: Latents
    sites: tuple[Latent, ...]
    held: int

    @property
    def rows(self) -> int:
        """Size of the rows dimension of u: the data rows, or 1 where they share a latent."""
        return self.held if self.latents.rowwise else 1

    @property
    def sizes(self) -> list[int]:
        """How many of the last dimension's numbers belong to each site."""
        return [self.shape(site).numel() // self.rows for site in self.sites]

    def shape(self, site: Latent) -> torch.Size:
        """A site's unconstrained shape without chains: all plates of the model, then its event."""
        batch = [1] * (self.latents.nesting - len(site.batch_shape)) + list(site.batch_shape)
        if site.local and self.latents.row_plate is not None:
            batch[self.latents.row_plate.dim] = self.held
        return torch.Size((*batch, *site.unconstrained_shape))

    def unpack(self, u: Tensor) -> dict[str, Tensor]:
        """Site -> its unconstrained numbers, shape (chains, *plates, *event)."""
        parts = u.split(self.sizes, dim=-1) if self.sites else ()
        return {
            site.name: self._out(part, site) for site, part in zip(self.sites, parts, strict=True)
        }

    def pack(self, values: dict[str, Tensor], chains: int) -> Tensor:
        """The tensor u of unconstrained numbers by site; the inverse of :meth:`unpack`."""
        if not self.sites:
            return torch.zeros(chains, self.rows, 0)
        parts = [self._in(values[site.name], site, chains) for site in self.sites]
        return torch.cat(parts, dim=-1)

    def _out(self, part: Tensor, site: Latent) -> Tensor:
        shape = self.shape(site)
        if not self.latents.rowwise:
            return part.reshape(len(part), *shape)
        dim = self._row_dim
        others = (*shape[:dim], *shape[dim + 1 :])
        return part.reshape(len(part), self.rows, *others).movedim(1, 1 + dim)

    def _in(self, value: Tensor, site: Latent, chains: int) -> Tensor:
        value = value.reshape(chains, *self.shape(site))
        if self.latents.rowwise:
            value = value.movedim(1 + self._row_dim, 1)
        return value.reshape(chains, self.rows, -1)

    @property
    def _row_dim(self) -> int:
        assert self.latents.row_plate is not None
        return self.latents.nesting + self.latents.row_plate.dim


class Bijected(Messenger):
    """Sets latent sites to the values T(u) of unconstrained numbers, and records log|dT/du|.

    The support is read from the distribution during the run, as it may depend on other latents.

    Args:
        unconstrained: site -> its unconstrained numbers.
        supports: site -> a support to use in place of the distribution's.

    Attributes:
        log_det: site -> log|dT/du|, in the shape of the site's log-probability.
    """

    def __init__(
        self, unconstrained: dict[str, Tensor], supports: dict[str, Constraint] | None = None
    ) -> None:
        super().__init__()
        self.unconstrained, self.supports = unconstrained, supports or {}
        self.log_det: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: Message) -> None:
        name = str(msg["name"])
        if name in self.unconstrained:
            fn: Any = msg["fn"]
            support = self.supports.get(name) or unmixed(fn.support)
            u, transform = self.unconstrained[name], biject_to(support)
            value = transform(u)
            msg["value"] = value
            self.log_det[name] = transform.log_abs_det_jacobian(u, value)


def to_unconstrained(values: dict[str, Tensor], supports: dict[str, Any]) -> dict[str, Tensor]:
    """Site -> the unconstrained numbers of its value."""
    return {name: biject_to(supports[name]).inv(values[name]) for name in supports}
