"""Mean-field normal over global latents.

    q(z) = prod_i T( N(u_i; m_i, s_i^2) ),   T the bijection onto the latent's support.

Parameters: 2 for each unconstrained value.
Source: Kucukelbir et al. 2017, "Automatic differentiation variational inference", section 2.
Topic: Latents that all rows share.
"""

from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.normal import SMALL_SCALE, normal
from guides.parts.plates import inside, positive, unscaled
from zoo.latents import Kind, Latents
from zoo.optim.natural import NormalParameters


class MeanField(Guide):
    """Each global latent an independent normal, mapped onto its support.

    Example:
        Eight schools has 10 unconstrained values (mu, tau and 8 effects), and each takes 2
        parameters:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.MeanField, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        20
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    normal: ClassVar[bool] = True

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        shapes = [(*site.batch_shape, *site.unconstrained_shape) for site in latents.sites]
        self.loc = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.unconstrained_scale = nn.ParameterList(
            torch.full(shape, SMALL_SCALE) for shape in shapes
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every latent, in its plates."""
        plates, values = self.plates(args), {}
        for site, loc, scale in zip(
            self.latents.sites, self.loc, self.unconstrained_scale, strict=True
        ):
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, positive(scale), site))
        return values

    def means_and_scales(self) -> list[NormalParameters]:
        """The normal of each latent."""
        pairs = zip(self.loc, self.unconstrained_scale, strict=True)
        return [NormalParameters(loc, scale) for loc, scale in pairs]

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Becomes the independent normals with the mean and the sds of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular, shape (d, d).
        """
        at, sd = 0, factor.norm(dim=1)
        for loc, scale in zip(self.loc, self.unconstrained_scale, strict=True):
            part = slice(at, at + loc.numel())
            loc.copy_(mean[part].reshape(loc.shape))
            scale.copy_(unscaled(sd[part]).reshape(scale.shape))
            at += loc.numel()
