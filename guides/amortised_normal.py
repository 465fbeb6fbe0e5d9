"""Amortised diagonal normal: a network gives each row's posterior.

    q(z | x) = T( N(u; m(x), diag s(x)^2) ).

With `fixed_scale` = tau the variance is one number that is not learned, the simplest amortised
guide of UMass COMPSCI 688.

Parameters: the encoder's.
Source: Kingma & Welling 2014, "Auto-encoding variational Bayes".

As `amortised_fixed_scale`: Amortised normal whose standard deviation is fixed at 0.5.
Topic: Encoders.
"""

from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from guides.per_datum import PerDatum
from zoo.latents import Family, Kind, Latents


class AmortisedNormal(Guide):
    """Each row's latents independent normals whose parameters a network reads off the row.

    Args:
        latents: the latents to cover.
        fixed_scale: standard deviation of every latent, or None to learn it from the row.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Trained on 7 rows, the encoder draws the latents of 3 others without a further fit:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedNormal, x, steps=10)
        >>> fit.guide(torch.randn(3, 5))["z"].shape
        torch.Size([3, 2])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    row_families: ClassVar[tuple[type[Family], ...]] = (PerDatum,)

    def __init__(
        self,
        latents: Latents,
        fixed_scale: float | None = None,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        if fixed_scale is not None and fixed_scale <= 0:
            raise ValueError(f"Expected fixed_scale above 0; got {fixed_scale}.")
        self.fixed_scale = fixed_scale
        parts = 2 if fixed_scale is None else 1
        self.encoder = Encoder(
            latents,
            lambda site: parts * values_per_row(site, latents, site.unconstrained_shape),
            body,
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            loc, scale = self._moments(output)
            event = site.unconstrained_shape
            loc, scale = (by_row(v, site, self.latents, event) for v in (loc, scale))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
        return values

    def _moments(self, output: Tensor) -> tuple[Tensor, Tensor]:
        if self.fixed_scale is not None:
            return output, torch.full_like(output, self.fixed_scale)
        loc, scale = output.chunk(2, dim=-1)
        return loc, positive(scale)
