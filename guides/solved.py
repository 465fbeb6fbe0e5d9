"""The contract of a guide whose q is found by a method of its own, without steps."""

from abc import abstractmethod
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


class Solved(Guide):
    """A guide over all global latents that its method sets to a mixture of normals.

    A subclass names its method by :attr:`zoo.latents.Family.solver`. Training calls that method
    and takes no steps.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    @property
    @abstractmethod
    def options(self) -> dict[str, int]:
        """Arguments that the method takes besides the log density and the seed."""

    @abstractmethod
    def take(self, means: Tensor, factors: Tensor, weights: Tensor) -> None:
        """Becomes sum_k w_k N(m_k, L_k L_k^T) over all unconstrained values.

        Args:
            means: m, site by site, shape (K, d).
            factors: L, lower triangular with a positive diagonal, shape (K, d, d).
            weights: w, which sum to 1, shape (K,).
        """


class SolvedNormal(Solved):
    """One normal with full covariance over all global latents: the form of K = 1."""

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

    @torch.no_grad()
    def take(self, means: Tensor, factors: Tensor, weights: Tensor) -> None:
        """Becomes N(means[0], factors[0] factors[0]^T); K is 1."""
        self.loc.copy_(means[0])
        self.factor.copy_(numbers_of_factor(factors[0]))
