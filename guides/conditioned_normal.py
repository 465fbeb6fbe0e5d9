"""Amortised diagonal normal of each row's latents, given the row and the latents drawn before.

    q(z | x, g) = T( N(u; m(x, g), diag s(x, g)^2) ),   g the earlier latents, unconstrained.

In a model whose rows share latents g, each row's posterior depends on g; an encoder of x alone
averages over it. With nothing drawn before, this is the amortised normal.

Parameters: the encoder's, with as many more inputs as g has numbers.
Source: Agrawal & Domke 2021, "Amortized variational inference for simple hierarchical models".
Topic: Encoders.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import pyro
import torch
from torch import Tensor
from torch.distributions import biject_to

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latent, Latents


class ConditionedNormal(Guide):
    """Each row's latents independent normals, whose parameters depend on the row and on g.

    Args:
        latents: the latents to cover.
        before: those drawn before, which all rows share; None for none.

    Raises:
        ValueError: if one of the latents before belongs to rows.

    Example:
        A model with a shared mean and an effect of each row:

        >>> import guides, zoo
        >>> family = guides.compose(guides.FullRank, guides.ConditionedNormal)
        >>> fit = zoo.fit(zoo.load("varying_intercepts"), family, steps=10)
        >>> fit.latents.names
        ('mu', 'tau', 'sigma', 'effect')
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})

    def __init__(self, latents: Latents, before: Latents | None = None) -> None:
        super().__init__(latents)
        self.before = before.sites if before is not None else ()
        for site in self.before:
            if site.local or site.kind is not Kind.CONTINUOUS:
                raise ValueError(
                    "ConditionedNormal is given continuous latents that all rows share; "
                    f"'{site.name}' is {site.scope} and {site.kind.value}. Use AmortisedNormal in "
                    "its place."
                )
        read = latents.context + sum(site.size for site in self.before)
        self.encoder = Encoder(
            replace(latents, context=read),
            lambda site: 2 * values_per_row(site, latents, site.unconstrained_shape),
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given, where nothing was drawn before."""
        return self.given({}, *args)

    def given(self, drawn: Mapping[str, Tensor], *args: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given.

        Args:
            drawn: value of each latent before; with particles in front, each row has as many.
            *args: the arguments of the model.
        """
        plates, values = self.plates(args), {}
        features = self.encoder.body(self._read(drawn, args))
        for site, head in zip(self.latents.sites, self.encoder.heads, strict=True):
            loc, scale = head(features).chunk(2, dim=-1)
            event = site.unconstrained_shape
            loc, scale = (by_row(v, site, self.latents, event) for v in (loc, positive(scale)))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
        return values

    def _read(self, drawn: Mapping[str, Tensor], args: tuple) -> Tensor:
        """Rows beside g: (rows, numbers), with particles in front if g has any."""
        x = self.latents.row_context(args)
        parts = [_numbers(drawn[site.name], site) for site in self.before]
        if not parts:
            return x
        particles = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
        shared = torch.cat([part.expand(*particles, -1) for part in parts], -1)
        shape = (*particles, len(x))
        return torch.cat([x.expand(*shape, -1), shared.unsqueeze(-2).expand(*shape, -1)], -1)


def _numbers(value: Tensor, site: Latent) -> Tensor:
    """The unconstrained numbers of a latent: (size,), or (particles, size)."""
    u = biject_to(site.support).inv(value)
    particles = u.shape[: u.dim() - len(site.batch_shape) - len(site.unconstrained_shape)]
    return u.reshape(*((particles.numel(),) if particles else ()), -1)
