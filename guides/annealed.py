"""Uncorrected Hamiltonian annealing over global latents: a normal, carried to the posterior.

    pi_k(u) ~ q_0(u)^(1 - b_k) p(x, u)^(b_k),   0 < b_1 < ... < b_K < 1,
    u_0 ~ q_0 = N(m, diag s^2),   v_1 ~ N(0, I),   v_k ~ N(g_k v'_{k-1}, (1 - g_k^2) I),
    (u_k, v'_k) = a leapfrog step on pi_k from (u_{k-1}, v_k),   z = T(u_K).

It is annealed importance sampling without its accept-or-reject step, so that a run is a
differentiable function of all numbers above. Log q of a run is

    log q_0(u_0) + sum_k log p(v_k | v'_{k-1}) - log N(v'_K; 0, I)
        - sum_{k > 1} log N(v'_{k-1}; g_k v_k, (1 - g_k^2) I),

the density of the way there less that of the way back. The ELBO is at most log p(x) whatever the
step sizes. With no bridges it is the mean-field normal.

The bridges b_k, the damping g_k, the step sizes (in units of s) and q_0 are learned. The gradient
of the model's density is taken K + 1 times in a draw, and differentiated once more in training.

Parameters: 2 d for the start, and d + 2 for each bridge.
Source: Geffner & Domke 2021, "MCMC variational inference via uncorrected Hamiltonian annealing";
Zhang et al. 2021, "Differentiable annealed importance sampling and the perils of gradient noise".
Departs from the papers: each bridge has a step size of each coordinate; the first momentum is not
refreshed, which changes nothing but that it takes d numbers less.
Topic: Chains.
"""

from typing import ClassVar

from torch import Tensor

from guides.guide import Guide
from guides.mean_field import MeanField
from guides.parts.annealing import AnnealedChain
from guides.parts.hamiltonian import objection
from guides.parts.log_joint import LogJoint
from zoo.latents import Kind, Latents, Model


class Annealed(Guide):
    """Leapfrog steps on bridges between a mean-field normal and the posterior.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose density the steps follow.
        bridges: K, the number of densities between start and target, with a step on each.

    Raises:
        ValueError: for fewer than 0 bridges.

    Example:
        Eight schools has 10 unconstrained values. A draw takes that many for the start and for
        each momentum:

        >>> import guides, zoo
        >>> from pyro import poutine
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.Annealed, steps=10)
        >>> sites = poutine.trace(fit.guide).get_trace(*fit.task.data.train).nodes
        >>> tuple(sites["joint_momentum_1"]["value"].shape)
        (10,)
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True
    auxiliary: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: Model, bridges: int = 4) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        self.start = MeanField(latents)
        self.chain = AnnealedChain(latents, bridges)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model's density is random, or a minibatch would move latents that all rows share."""
        return objection(cls.__name__, latents)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every latent, in its plates."""
        plates = self.plates(args)
        density = LogJoint(self.model[0], self.latents, plates, args, kwargs)
        start = self.start
        return self.chain.sample(start.loc, start.unconstrained_scale, plates, density)

    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Starts the chain at the means and sds of N(mean, factor factor^T).

        Args:
            mean: of all unconstrained values, site by site, shape (d,).
            factor: lower triangular, shape (d, d).
        """
        self.start.start_at(mean, factor)
