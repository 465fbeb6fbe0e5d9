"""Low-rank normal over all global latents: a diagonal and a few directions.

    q(z) = T( N(u; m, D (I + B B^T) D) ),   D = diag(s),   B with d rows and `rank` columns.

Between the mean-field normal (rank 0) and the full-rank one: correlations along a few directions,
such as one number that moves all groups, with parameters and time linear in d. The default rank
is the square root of d.

Parameters: 2 d + d rank for d unconstrained values.
Source: Ong, Nott & Smith 2018, "Gaussian variational approximation with a factor covariance
structure".
Topic: Latents that all rows share.
"""

from math import isqrt
from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.joint import sample_jointly
from guides.parts.normal import SMALL_SCALE
from guides.parts.plates import positive, unscaled
from guides.parts.units import Units
from zoo.checks.arguments import whole
from zoo.latents import Kind, Latents

FIRST_FACTOR = 0.1  # sd of B's numbers at the start; at B = 0 its expected gradient vanishes
LEAST_OWN = 0.01  # share of a variance that `start_at` leaves to the diagonal


class LowRank(Guide):
    """One normal over all global latents, whose covariance is a diagonal plus a few directions.

    Args:
        latents: the latents to cover.
        rank: number of directions; None for the square root of the number of values, rounded down.

    Raises:
        ValueError: for a rank below 1, or above the number of unconstrained values.

    Example:
        Eight schools has 10 unconstrained values, hence 3 directions: 10 means, 10 scales and 30
        numbers of B.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.LowRank, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        50
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, rank: int | None = None) -> None:
        super().__init__(latents)
        size = sum(site.size for site in latents.sites)
        way = "For as many directions as values use full_rank, which has all covariances."
        rank = isqrt(size) if rank is None else whole("rank", rank, most=size, way=way)
        self.units = Units(size)
        self.loc = nn.Parameter(torch.zeros(size))
        self.unconstrained_scale = nn.Parameter(torch.full((size,), SMALL_SCALE))
        self.factor = nn.Parameter(FIRST_FACTOR * torch.randn(size, rank))

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        scale = positive(self.unconstrained_scale)
        directions = scale[:, None] * self.factor
        q = dist.LowRankMultivariateNormal(self.loc, directions, scale.square())
        return sample_jointly(self.latents, self.plates(args), self.units.of(q))

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Starts at the mean, the sds and the leading correlations of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular, shape (d, d).
        """
        root = self.units.take(mean, factor)
        values, vectors = torch.linalg.eigh(root @ root.mT)
        rank = self.factor.shape[1]
        leading = vectors[:, -rank:] * values[-rank:].clamp(min=0).sqrt()
        own = (1 - leading.square().sum(-1)).clamp(min=LEAST_OWN).sqrt()
        self.loc.zero_()
        self.unconstrained_scale.copy_(unscaled(own))
        self.factor.copy_(leading / own[:, None])
