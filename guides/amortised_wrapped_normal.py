"""Amortised wrapped normal on hyperbolic space: a network gives each row's mean and scales.

    v ~ N(0, diag s(x)^2),   z = exp_m( PT(v) ),   m = exp_o( u(x) ) on H^n,

with o the origin and PT the parallel transport from o to m.

Parameters: the encoder's, which gives the n numbers of u(x) and the n scales.
Source: Nagano et al. 2019, "A wrapped normal distribution on hyperbolic space for gradient-based
learning".
Topic: Spheres and hyperbolic space.
"""

from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latent, Latents
from zoo.manifolds.lorentz_normal import exp_origin, wrapped_normal


class AmortisedWrappedNormal(Guide):
    """Each row's points wrapped normals whose parameters a network reads off the row.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        A point of H^2 has three coordinates, and -z_0^2 + z_1^2 + z_2^2 = -1:

        >>> import guides, torch, zoo
        >>> from zoo.manifolds.hyperboloid import hyperboloid
        >>> task = zoo.load("hyperbolic_vae", latent=2)
        >>> fit = zoo.fit(task, guides.AmortisedWrappedNormal, steps=5)
        >>> z = fit.guide(task.split("train")[0][:4])["z"]
        >>> z.shape, bool(hyperboloid.check(z).all())
        (torch.Size([4, 3]), True)
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.HYPERBOLOID})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.encoder = Encoder(
            latents, lambda site: 2 * values_per_row(site, latents, tangent(site)), body
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            parts = output.chunk(2, dim=-1)
            loc, scale = (by_row(part, site, self.latents, tangent(site)) for part in parts)
            q = wrapped_normal(exp_origin(loc), positive(scale))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q.to_event(len(tangent(site)) - 1))
        return values


def tangent(latent: Latent) -> torch.Size:
    """The shape of a tangent vector at each point: one number less than the point."""
    return torch.Size((*latent.event_shape[:-1], latent.event_shape[-1] - 1))
