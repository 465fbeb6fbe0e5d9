"""Full-rank normal over all global latents.

    q(z) = T( N(u; m, L L^T) ),   L lower triangular with a positive diagonal.

Parameters: d + d (d + 1) / 2 for d unconstrained values.
Source: Kucukelbir et al. 2017, "Automatic differentiation variational inference", section 2.
Topic: Latents that all rows share.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.cholesky import (
    cholesky_factor,
    correlated_normal,
    factor_size,
    numbers_of_factor,
)
from guides.parts.joint import sample_jointly
from zoo.latents import Kind, Latents
from zoo.optim.natural import NormalParameters


class FullRank(Guide):
    """One normal with full covariance over all global latents, mapped onto their supports.

    Example:
        Eight schools has 10 unconstrained values: 10 means and 55 numbers of a triangular factor.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.FullRank, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        65
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    normal: ClassVar[bool] = True
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        size = sum(site.size for site in latents.sites)
        self.loc = nn.Parameter(torch.zeros(size))
        self.factor = nn.Parameter(torch.zeros(factor_size(size)))

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        factor = cholesky_factor(self.factor, len(self.loc))
        latents, plates = self.latents, self.plates(args)
        return sample_jointly(latents, plates, correlated_normal(self.loc, factor))

    def means_and_scales(self) -> list[NormalParameters]:
        """The one normal."""
        return [NormalParameters(self.loc, self.factor, correlated=True)]

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Becomes N(mean, factor factor^T) over all unconstrained values.

        Args:
            mean: site by site, shape (d,).
            factor: lower triangular with a positive diagonal, shape (d, d).
        """
        self.loc.copy_(mean)
        self.factor.copy_(numbers_of_factor(factor))
