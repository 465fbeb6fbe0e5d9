"""Per-datum normal with full covariance over all latents of a row.

    q(z_n) = T( N(u_n; m_n, L_n L_n^T) ),   (m_n, L_n) optimised for each row n.

The best it can do is the smallest loss of any normal guide, however it is amortised; it is exact
for linear-Gaussian models.

Parameters: d + d (d + 1) / 2 for each row of d unconstrained values.
Source: Cremer, Li & Duvenaud 2018, "Inference suboptimality in variational autoencoders".
Topic: Free parameters for each row.
"""

from collections.abc import Mapping
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
from guides.parts.per_row import joined, of_rows, require_rows, sample_in_rows
from zoo.latents import Kind, Latents


class PerDatumFullRank(Guide):
    """Each row's latents jointly normal, with free parameters.

    Raises:
        ValueError: for a latent that lies in plates besides the one over rows.

    Example:
        Each of 7 rows has 2 means and the 3 numbers of a triangular factor of its own:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.PerDatumFullRank, x, steps=10)
        >>> fit.guide.loc.shape, fit.guide.factor.shape
        (torch.Size([7, 2]), torch.Size([7, 3]))
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False
    amortised: ClassVar[bool] = False

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        rows, size = require_rows(self, latents)
        self.loc = nn.Parameter(torch.zeros(rows, size))
        self.factor = nn.Parameter(torch.zeros(rows, factor_size(size)))

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows in this minibatch."""
        plates = self.plates(args)
        loc = of_rows(self.loc, plates, self.latents)
        factor = cholesky_factor(of_rows(self.factor, plates, self.latents), loc.shape[-1])
        return sample_in_rows(self.latents, plates, correlated_normal(loc, factor))

    @torch.no_grad()
    def start(self, draws: Mapping[str, Tensor]) -> None:
        """Takes the mean and covariance of each row's draws; site -> (draws, *batch, *event)."""
        u = joined(draws, self.latents)
        centred = u - u.mean(0)
        covariance = torch.einsum("sni,snj->nij", centred, centred) / (len(u) - 1)
        ridge = 1e-8 * torch.eye(u.shape[-1], dtype=u.dtype, device=u.device)
        factor = torch.linalg.cholesky(covariance + ridge)
        self.loc.copy_(u.mean(0))
        self.factor.copy_(numbers_of_factor(factor))
