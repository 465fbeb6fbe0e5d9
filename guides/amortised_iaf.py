"""Amortised inverse autoregressive flow: a normal read off the row, bent by steps that see it.

    u_0 = m(x) + s(x) * e,   u_t = g_t * u_{t-1} + (1 - g_t) * m_t,

with gates g_t and means m_t autoregressive in u_{t-1}, given a context h(x).

Parameters: the encoder's, and one masked network a step, which also reads the context h(x).
Source: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from guides.encoder import Encoder, by_row, values_per_row
from guides.flows import conditional_stack, push
from guides.guide import Guide, inside, positive
from guides.normal import onto_support
from guides.per_datum_iaf import PerDatumIAF
from guides.vectors import require_vectors
from zoo.latents import Family, Kind, Latent, Latents


class AmortisedIAF(Guide):
    """`depth` inverse autoregressive steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        hidden: hidden units of a step's network; by default twice the latent's size, at least 32.
        context: size of the context h(x) that every step reads.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    row_families: ClassVar[tuple[type[Family], ...]] = (PerDatumIAF,)
    independent: ClassVar[bool] = False

    def __init__(
        self,
        latents: Latents,
        depth: int = 2,
        hidden: int | None = None,
        context: int = 16,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        require_vectors(self, latents)
        self.context = context

        def outputs(site: Latent) -> int:
            return values_per_row(site, latents, (2 * site.unconstrained_shape[0] + context,))

        self.encoder = Encoder(latents, outputs, body)
        sizes = [site.unconstrained_shape[0] for site in latents.sites]
        self.steps = nn.ModuleList(
            conditional_stack(size, context, depth, hidden or max(2 * size, 32)) for size in sizes
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        sites = zip(self.latents.sites, self.encoder(args), self.steps, strict=True)
        for site, output, steps in sites:
            size = site.unconstrained_shape[0]
            both = by_row(output, site, self.latents, (2 * size + self.context,))
            loc, scale, context = both.split([size, size, self.context], dim=-1)
            base = dist.Normal(loc, positive(scale)).to_event(1)
            conditioned = [step.condition(context) for step in steps]  # type: ignore[attr-defined]
            q = onto_support(push(base, conditioned), site)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values
