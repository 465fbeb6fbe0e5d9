"""Contrastive divergence: chains start at the data and take few sweeps; for models with an energy.

    the gradient of  log p(x) = -F(x) - log Z  is  -dF(x) + E_p[ dF ],

and the expectation under the model p is taken over the states of Gibbs chains that took `sweeps`
sweeps from the data. With more sweeps it approaches the gradient of log p(x); with few it is
biased, and follows no bound.

In a model with latents a bound takes the place of -F(x), and `bound` estimates its gradient. That
bound leaves out log Z too, whose gradient the same chains give.

The value is F of the data minus F of the chains, nats for the full data. It is no bound of
log p(x), and need not fall.

Cost: one evaluation of the model, and `sweeps` Gibbs sweeps of each row.
Source: Hinton 2002, "Training products of experts by minimizing contrastive divergence".
Topic: Energies.
"""

from dataclasses import dataclass, field

from torch import Tensor, nn

from zoo.checks.arguments import instance, keep_whole
from zoo.latents import Latents
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.phases import energy_site, needs_of, negative_phase, objection_of
from zoo.objectives.target import Target
from zoo.objectives.trace_graph import TraceGraph
from zoo.traces import Pair


@dataclass(frozen=True)
class ContrastiveDivergence(Objective):
    """CD-k, with k `sweeps` from each row of the minibatch.

    Attributes:
        sweeps: Gibbs sweeps from the data.
        bound: what trains a guide, and gives the data's part of the gradient.

    Raises:
        ValueError: for fewer than one sweep, or a bound that is no objective.

    Example:
        The value of one step compares the data with what a sweep makes of them; fresh weights
        make chains that forget the data at once:

        >>> import guides, zoo
        >>> from zoo.objectives import ContrastiveDivergence
        >>> objective = ContrastiveDivergence(sweeps=5)
        >>> fit = zoo.fit(zoo.load("rbm"), guides.Empty, objective=objective, steps=2)
        >>> len(fit.losses), objective.value_is_bound
        (2, False)
    """

    sweeps: int = 1
    bound: Objective = field(default_factory=TraceGraph)

    def __post_init__(self) -> None:
        keep_whole(self, "sweeps")
        instance("bound", self.bound, Objective, "Pass e.g. zoo.objectives.LeaveOneOut().")

    @property
    def needs(self) -> Needs:
        """What the bound asks of a guide, and a model with an energy."""
        return needs_of(self.bound)

    @property
    def target(self) -> Target:
        """No bound: the gradient of few sweeps is that of no function."""
        return Target(None, self.bound.target.guide)

    @property
    def value_is_bound(self) -> bool:
        """No: it depends on where the chains are."""
        return False

    def objection(self, latents: Latents) -> str | None:
        """That of the bound; and it trains on data rows."""
        return objection_of(self, self.bound, latents)

    def evaluations(self, latents: Latents) -> int:
        """Those of the bound, and one for where the chains start."""
        return self.bound.evaluations(latents) + 1

    def state(self, latents: Latents) -> nn.Module:
        """That of the bound."""
        return self.bound.state(latents)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The difference of free energies, nats for the full data, shape ()."""
        fn, value = energy_site(pair, args, kwargs)
        chains = fn.machine.detached().gibbs(fn.left(value).detach(), self.sweeps)
        positive = self.bound.loss(pair, state, args, kwargs)
        return positive + negative_phase(pair, fn.machine, chains)
