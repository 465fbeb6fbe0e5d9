"""Multivariate Student's t over all global latents: a full-rank normal with heavier tails.

    q(z) = T( t_v(u; m, L L^T) ),   u = m + L e / sqrt(g / v),   e ~ N(0, I),  g ~ chi^2_v,

with L lower triangular. The degrees of freedom v are learned, above 2, so that means and
covariances of the unconstrained values exist whatever v becomes: moments are what many metrics
compare. At a large v it is the full-rank normal. Tails that are not lighter than the posterior's
keep importance weights bounded.

Parameters: d + d (d + 1) / 2, and v unless it is given, for d unconstrained values.
Source: Domke & Sheldon 2018, "Importance weighting and variational inference", section 5, for
elliptical families; Figurnov, Mohamed & Mnih 2018, "Implicit reparameterization gradients", for
the derivative of g in v.
Topic: Latents that all rows share.
"""

from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.cholesky import cholesky_factor, factor_size, numbers_of_factor
from guides.parts.joint import sample_jointly
from guides.parts.units import Units
from zoo.checks.arguments import number
from zoo.latents import Kind, Latents

LEAST = 2.0  # degrees of freedom: above it covariances exist
FIRST = 10.0


class StudentT(Guide):
    """One multivariate Student's t over all global latents, mapped onto their supports.

    Args:
        latents: the latents to cover.
        df: degrees of freedom, above 2; None to learn them, from 10.

    Raises:
        ValueError: for degrees of freedom that are not above 2.

    Example:
        Eight schools has 10 unconstrained values: the 65 parameters of a full-rank normal, and
        one for the tails.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.StudentT, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        66
        >>> bool(fit.guide.df > 2)
        True
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, df: float | None = None) -> None:
        super().__init__(latents)
        if df is not None:
            way = "Pass None to learn them, or use full_rank, which has those of a normal."
            df = number("df", df, above=LEAST, way=way)
        size = sum(site.size for site in latents.sites)
        log_excess = torch.tensor((df or FIRST) - LEAST).log()
        self.units = Units(size)
        self.loc = nn.Parameter(torch.zeros(size))
        self.factor = nn.Parameter(torch.zeros(factor_size(size)))
        if df is None:
            self.log_excess = nn.Parameter(log_excess)
        else:
            self.register_buffer("log_excess", log_excess)

    log_excess: Tensor  # of the degrees of freedom above 2

    @property
    def df(self) -> Tensor:
        """Degrees of freedom, shape ()."""
        return LEAST + self.log_excess.exp()

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        factor = cholesky_factor(self.factor, len(self.loc))
        q = dist.MultivariateStudentT(self.df, self.loc, factor)
        return sample_jointly(self.latents, self.plates(args), self.units.of(q))

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Takes the mean and the covariance of N(mean, factor factor^T), with its own tails.

        Args:
            mean: site by site, shape (d,).
            factor: lower triangular with a positive diagonal, shape (d, d).
        """
        df, own = self.df, self.units.take(mean, factor)
        self.loc.zero_()
        self.factor.copy_(numbers_of_factor(own * ((df - 2) / df).sqrt()))
