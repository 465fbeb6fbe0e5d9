"""Amortised normal with full covariance within each row.

    q(z | x) = T( N(u; m(x), L(x) L(x)^T) ),   L(x) lower triangular with a positive diagonal.

Exact for linear-Gaussian models, whose posterior covariance is full.

Parameters: the encoder's; its head gives d + d (d + 1) / 2 numbers for d unconstrained values.
Source: Kingma & Welling 2019, "An introduction to variational autoencoders", section 2.5.1.
Topic: Encoders.
"""

from typing import ClassVar

import pyro
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.cholesky import cholesky_factor, correlated_normal, factor_size
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.normal import onto_support
from guides.parts.plates import inside
from guides.parts.vectors import require_vectors
from guides.per_datum_full_rank import PerDatumFullRank
from zoo.latents import Family, Kind, Latent, Latents


class AmortisedFullRank(Guide):
    """Each latent vector a normal with full covariance that a network reads off the row.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        For each row the encoder's head gives 2 means and the 3 numbers of a triangular factor:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedFullRank, x, steps=10)
        >>> fit.guide.encoder.heads[0].out_features
        5
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    row_families: ClassVar[tuple[type[Family], ...]] = (PerDatumFullRank,)
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        require_vectors(self, latents)

        def outputs(site: Latent) -> int:
            (size,) = site.unconstrained_shape
            return values_per_row(site, latents, (size + factor_size(size),))

        self.encoder = Encoder(latents, outputs, body)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            (size,) = site.unconstrained_shape
            both = by_row(output, site, self.latents, (size + factor_size(size),))
            loc, factor = both[..., :size], cholesky_factor(both[..., size:], size)
            q = onto_support(correlated_normal(loc, factor), site)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values
