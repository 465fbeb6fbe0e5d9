"""Hamiltonian variational inference over global latents: a normal, moved along the density.

    u_0 ~ N(m, diag s^2),   v_t ~ q_t(v | u_{t-1}),
    (u_t, v'_t) = leapfrog steps on log p(x, u) from (u_{t-1}, v_t),   z = T(u_T).

As `amortised_hamiltonian`, for latents that all rows share: log q of a run is
log q(u_0) + sum_t log q_t(v_t) less that of the learned way back, sum_t log r_t(v'_t | u_t). With
no moves it is the mean-field normal. The latents of a site in a plate share its networks, and
each has a context of learned numbers.

Parameters: 2 for each unconstrained value, and for each move two small networks a site, the
step sizes and the contexts.
Source: Salimans, Kingma & Welling 2015, "Markov chain Monte Carlo and variational inference:
bridging the gap".
Topic: Chains.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.mean_field import MeanField
from guides.parts.hamiltonian import HamiltonianChain, objection
from guides.parts.log_joint import LogJoint
from guides.parts.plates import positive
from zoo.latents import Kind, Latents, Model

CONTEXT = 4  # learned numbers of each element of a latent's plates


class Hamiltonian(Guide):
    """Hamiltonian moves from a mean-field normal over all global latents.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose density the moves follow.
        moves: T, how often a momentum is drawn.
        leapfrogs: leapfrog steps in a move, L.

    Raises:
        ValueError: for fewer than 0 moves or 1 leapfrog step.

    Example:
        The start has the 20 parameters of a mean-field normal on eight schools:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.Hamiltonian, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.start.parameters())
        20
        >>> {name: tuple(z.shape) for name, z in fit.guide(*fit.task.data.train).items()}
        {'mu': (), 'tau': (), 'theta': (8,)}
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True
    auxiliary: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: Model, moves: int = 2, leapfrogs: int = 3) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        self.start = MeanField(latents)
        self.chain = HamiltonianChain(latents, moves, leapfrogs, CONTEXT)
        self.context = nn.ParameterList(
            torch.zeros(*site.batch_shape, CONTEXT) for site in latents.sites if moves
        )

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model's density is random, or a minibatch would move latents that all rows share."""
        return objection(cls.__name__, latents)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every latent, in its plates."""
        plates, normal = self.plates(args), self.start
        scales = [positive(scale) for scale in normal.unconstrained_scale]
        start = list(zip(normal.loc, scales, strict=True))
        density = LogJoint(self.model[0], self.latents, plates, args, kwargs)
        return self.chain.sample(start, list(self.context), plates, density)

    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Starts the chain at the means and sds of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular, shape (d, d).
        """
        self.start.start_at(mean, factor)
