"""Full-rank normals, one for each global latent.

    q(z) = prod_i T( N(u_i; m_i, L_i L_i^T) ),   L_i lower triangular with a positive diagonal.

A latent's numbers, those of its plates included, depend on each other, and latents do not: between
the mean-field normal and the full-rank one, of which it is the member whose covariances between
latents are 0.

Parameters: sum_i d_i + d_i (d_i + 1) / 2, for the d_i unconstrained values of latent i.
Source: Kucukelbir et al. 2017, "Automatic differentiation variational inference", section 2, for
one block; Saul & Jordan 1996, "Exploiting tractable substructures in intractable networks", for
independent blocks of dependent values.
Topic: Latents that all rows share.
"""

from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.cholesky import (
    BlockAffine,
    CholeskyAffine,
    cholesky_factor,
    factor_size,
    numbers_of_factor,
)
from guides.parts.joint import sample_jointly
from guides.parts.units import Units
from zoo.latents import Kind, Latents


class BlockDiagonal(Guide):
    """Each global latent a normal with full covariance, mapped onto its support.

    Example:
        Eight schools has two latents of one value, and one of 8 with 36 numbers of a factor:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.BlockDiagonal, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        48
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        self.sizes = [site.size for site in latents.sites]
        self.units = Units(sum(self.sizes))
        self.loc = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.factors = nn.ParameterList(torch.zeros(factor_size(size)) for size in self.sizes)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents."""
        base = dist.Normal(torch.zeros_like(self.loc), torch.ones_like(self.loc)).to_event(1)
        parts = zip(self.loc.split(self.sizes), self.factors, self.sizes, strict=True)
        blocks = [CholeskyAffine(loc, cholesky_factor(f, size)) for loc, f, size in parts]
        q = dist.TransformedDistribution(base, [BlockAffine(blocks, -1, self.sizes, cache_size=1)])
        return sample_jointly(self.latents, self.plates(args), self.units.of(q))

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Becomes the independent normals with the mean and blocks of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular with a positive diagonal, shape (d, d).
        """
        at, own = 0, self.units.take(mean, factor)
        self.loc.zero_()
        for numbers, size in zip(self.factors, self.sizes, strict=True):
            rows = own[at : at + size]
            numbers.copy_(numbers_of_factor(torch.linalg.cholesky(rows @ rows.mT)))
            at += size
