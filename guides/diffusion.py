"""Monte Carlo diffusion over global latents: an annealed chain with a learned way back.

The chain is that of `annealed`. From u_{k-1} and the refreshed momentum v_k, the way back draws
the momentum before by

    N( g_k v_k + (1 - g_k^2) f_k(y_{k-1}, v_k), (1 - g_k^2) I ),   y = (u - m) / s,

where the network f stands for the difference that the score of the chain's own density makes,
grad_v log q_k(y, v) + v. It is 0 in a chain that stays in equilibrium, and at the start of
training; the guide is then `annealed`. The bound holds for any f, and is highest for the best.

With fewer than two bridges no momentum is refreshed, and there is no network.

Parameters: those of `annealed`, and a network with one hidden layer that all bridges share; each
has biases of its own.
Source: Doucet et al. 2022, "Score-based diffusion meets annealed importance sampling"; with
momenta, Geffner & Domke 2023, "Langevin diffusion variational inference".
Departs from the papers: the chain's refreshment is exact, not an Euler step, so that f = 0 is
`annealed` whatever the damping is; bridges have step sizes of their own.
Topic: Chains.
"""

from typing import ClassVar

from torch import Tensor

from guides.guide import Guide
from guides.mean_field import MeanField
from guides.parts.annealing import AnnealedChain, Correction
from guides.parts.hamiltonian import objection
from guides.parts.log_joint import LogJoint
from zoo.latents import Kind, Latents, Model


class Diffusion(Guide):
    """An annealed chain from a mean-field normal, whose way back is a network.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose density the steps follow.
        bridges: K, the number of densities between start and target, with a step on each.
        hidden: units of the network.

    Raises:
        ValueError: for fewer than 0 bridges.

    Example:
        With four bridges, three momenta are refreshed, and each has biases of its own:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.Diffusion, steps=10)
        >>> tuple(fit.guide.chain.correction.bias.shape)
        (3, 32)
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True
    auxiliary: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: Model, bridges: int = 4, hidden: int = 32) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        self.start = MeanField(latents)
        size = sum(site.size for site in latents.sites)
        correction = Correction(size, bridges - 1, hidden) if bridges > 1 else None
        self.chain = AnnealedChain(latents, bridges, correction)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model's density is random, or a minibatch would move latents that all rows share."""
        return objection(cls.__name__, latents)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every latent, in its plates."""
        plates, start = self.plates(args), self.start
        density = LogJoint(self.model[0], self.latents, plates, args, kwargs)
        return self.chain.sample(start.loc, start.unconstrained_scale, plates, density)

    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Starts the chain at the means and sds of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular, shape (d, d).
        """
        self.start.start_at(mean, factor)
