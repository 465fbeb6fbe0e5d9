"""Semi-amortised normal: an encoder's posterior of each row, refined by a few steps of ascent.

    (m, s)_0 = encoder(x),   e ~ N(0, I),   g(u) = grad log p(x, u),
    m' = m + a_t s^2 (g(m + s e) + g(m - s e)) / 2,
    log s' = log s + b_t tanh( 1 + s e (g(m + s e) - g(m - s e)) / 2 ),   z = T( N(m_k, s_k^2) ).

What a_t and b_t multiply are estimates of the gradient of the row's ELBO, in m (times s^2, as
natural gradients are) and in log s (bounded by tanh). The steps are differentiated through, so
that the encoder learns where they should begin, and a_t and b_t are learned.

The noise e is auxiliary: it has the same density on the way back and drops out of log q, and the
ELBO of q(z | x, e) is at most log p(x) for every e. With no refinements it is amortised_normal.

Parameters: the encoder's, and 2 for each refinement and unconstrained value of a row.
Source: Kim et al. 2018, "Semi-amortized variational autoencoders".
Departs from the paper: step sizes are learned and scaled by s, without momentum and without
clipping the gradient of the mean; each step takes one pair of opposite draws.
Topic: Encoders.
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.hamiltonian import AUXILIARY, objection
from guides.parts.log_joint import LogJoint
from guides.parts.normal import normal
from guides.parts.plates import Plates, inside, positive, unscaled
from guides.per_datum import PerDatum
from zoo.checks.arguments import whole
from zoo.latents import Family, Kind, Latents, Model

FIRST_STEP = 0.1


class SemiAmortised(Guide):
    """Each row's normal from an encoder, moved up the gradient of the row's ELBO.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose density the refinements climb.
        refinements: k, the number of steps.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for fewer than 0 refinements.

    Example:
        A draw of the latents takes the noise of each refinement:

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.SemiAmortised, x, steps=10)
        >>> sites = poutine.trace(fit.guide).get_trace(torch.randn(3, 5)).stochastic_nodes
        >>> [name for name in sites if name != "data"]
        ['z_noise_1', 'z_noise_2', 'z_noise_3', 'z']
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    row_families: ClassVar[tuple[type[Family], ...]] = (PerDatum,)
    takes_model: ClassVar[bool] = True
    auxiliary: ClassVar[bool] = True

    def __init__(
        self,
        latents: Latents,
        model: Model,
        refinements: int = 3,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        self.refinements = whole("refinements", refinements, least=0)
        self.encoder = Encoder(
            latents,
            lambda site: 2 * values_per_row(site, latents, site.unconstrained_shape),
            body,
        )
        sites = latents.sites if refinements else ()
        self.unconstrained_step = nn.ParameterList(
            unscaled(torch.full((refinements, 2, *site.unconstrained_shape), FIRST_STEP))
            for site in sites
        )

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model's density is random."""
        return objection(cls.__name__, latents)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values, moments = self.plates(args), {}, []
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            loc, scale = output.chunk(2, dim=-1)
            event = site.unconstrained_shape
            loc, scale = (by_row(v, site, self.latents, event) for v in (loc, scale))
            moments.append((loc, positive(scale)))
        density = LogJoint(self.model[0], self.latents, plates, args, kwargs)
        for t in range(self.refinements):
            moments = self._refined(t, moments, plates, density)
        for site, (loc, scale) in zip(self.latents.sites, moments, strict=True):
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
        return values

    def _refined(
        self,
        t: int,
        moments: list[tuple[Tensor, Tensor]],
        plates: Plates,
        density: LogJoint,
    ) -> list[tuple[Tensor, Tensor]]:
        """Mean and scale of each latent after one more step."""
        moves = [s * e for (_, s), e in zip(moments, self._noise(t, moments, plates), strict=True)]
        centres = [m for m, _ in moments]
        above = density.gradient([m + move for m, move in zip(centres, moves, strict=True)])
        below = density.gradient([m - move for m, move in zip(centres, moves, strict=True)])
        found = []
        for i, (m, s) in enumerate(moments):
            a, b = positive(self.unconstrained_step[i][t])
            slope = (above[i] + below[i]) / 2
            widens = 1 + moves[i] * (above[i] - below[i]) / 2
            found.append((m + a * s**2 * slope, s * (b * widens.tanh()).exp()))
        return found

    def _noise(self, t: int, moments: list[tuple[Tensor, Tensor]], plates: Plates) -> list[Tensor]:
        found = []
        for site, (loc, _) in zip(self.latents.sites, moments, strict=True):
            noise = dist.Normal(torch.zeros_like(loc), torch.ones_like(loc))
            q = noise.to_event(len(site.unconstrained_shape)).mask(
                mask=False
            )  # drops out of log q
            with inside(plates, site):
                found.append(pyro.sample(f"{site.name}_noise_{t + 1}", q, infer=AUXILIARY))
        return found
