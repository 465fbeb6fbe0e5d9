"""Amortised Hamiltonian inference: an encoder's normal, moved along the model's density.

    u_0 ~ N(m(x), diag s(x)^2),   v_t ~ q_t(v | u_{t-1}, x),
    (u_t, v'_t) = leapfrog steps on log p(x, u) from (u_{t-1}, v_t),   z = T(u_T).

A run draws more than the latents: its log q is log q(u_0) + sum_t log q_t(v_t) less the density
sum_t log r_t(v'_t | u_t, x) of learned networks that guess each momentum from where it led. The
ELBO is then at most that of the marginal q(z | x), which is not known. With no moves it is
amortised_normal.

Step sizes are learned, one for each move and coordinate, in units of s(x). The gradient of the
model's density is taken 1 + T L times in a draw, and differentiated once more in training.

Parameters: the encoder's, and for each move two small networks and the step sizes.
Source: Salimans, Kingma & Welling 2015, "Markov chain Monte Carlo and variational inference:
bridging the gap".
Topic: Chains.
"""

from typing import ClassVar

from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.hamiltonian import HamiltonianChain, objection
from guides.parts.log_joint import LogJoint
from guides.parts.plates import positive
from guides.per_datum import PerDatum
from zoo.latents import Family, Kind, Latent, Latents, Model


class AmortisedHamiltonian(Guide):
    """Hamiltonian moves from a normal that an encoder reads off the row.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose density the moves follow.
        moves: T, how often a momentum is drawn.
        leapfrogs: leapfrog steps in a move, L.
        context: values that an encoder's head gives the momenta's networks.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for fewer than 0 moves or 1 leapfrog step.

    Example:
        A draw of the latents brings a start and one momentum for each move:

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedHamiltonian, x, steps=10)
        >>> sites = poutine.trace(fit.guide).get_trace(torch.randn(3, 5)).stochastic_nodes
        >>> [name for name in sites if name != "data"]
        ['z_start', 'z_momentum_1', 'z_momentum_2', 'z']
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
        moves: int = 2,
        leapfrogs: int = 3,
        context: int = 16,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        self.context = context if moves else 0
        self.chain = HamiltonianChain(latents, moves, leapfrogs, self.context)

        def outputs(site: Latent) -> int:
            size = site.unconstrained_shape.numel()
            return values_per_row(site, latents, (2 * size + self.context,))

        self.encoder = Encoder(latents, outputs, body)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model's density is random."""
        return objection(cls.__name__, latents)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, start, context = self.plates(args), [], []
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            loc, scale, known = self._read(site, output)
            start.append((loc, scale))
            context.append(known)
        density = LogJoint(self.model[0], self.latents, plates, args, kwargs)
        return self.chain.sample(start, context, plates, density)

    def _read(self, site: Latent, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and scale of u_0, (*batch, *event), and the context, (*batch, context)."""
        event, size = site.unconstrained_shape, site.unconstrained_shape.numel()
        laid = by_row(output, site, self.latents, (2 * size + self.context,))
        loc, scale, context = laid.split([size, size, self.context], dim=-1)
        shape = (*laid.shape[:-1], *event)
        return loc.reshape(shape), positive(scale).reshape(shape), context
