"""Amortised point: a network gives each row's latents, without any spread.

    z = T( m(x) ),   q(z | x) is a point mass there.

It is the deterministic encoder of an autoencoder. q has no density: there is no ELBO, no weight
and no KL term, and objectives that take one are refused. What compares draws alone goes with it,
as the aggregated posterior of many rows is spread out where that of one row is not.

Parameters: the encoder's.
Source: Tolstikhin, Bousquet, Gelly & Schoelkopf 2018, "Wasserstein auto-encoders"; Makhzani et al.
2016, "Adversarial autoencoders".

Topic: Encoders.
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
from torch import Tensor, nn
from torch.distributions import biject_to

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside
from zoo.latents import Kind, Latents


class AmortisedPoint(Guide):
    """Each row's latents a function of the row, on the latents' own support.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Two draws of a row's latents are the same:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(20, 5)
        >>> settings = {"objective": "wae", "steps": 10}
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedPoint, x, **settings)
        >>> torch.equal(fit.guide(x)["z"], fit.guide(x)["z"])
        True
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    has_density: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, site.unconstrained_shape), body
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Puts the latents of the rows given at their points."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            at = by_row(output, site, self.latents, site.unconstrained_shape)
            point = dist.Delta(biject_to(site.support)(at), event_dim=len(site.event_shape))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, point)
        return values
