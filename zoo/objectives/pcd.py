"""Persistent contrastive divergence: chains of the model that go on from step to step.

As :mod:`zoo.objectives.cd`, but the chains do not start at the data: they are kept from one step
to the next, and follow the model while it changes slowly. Their states are nearer to draws of the
model than those of few sweeps from the data, and the gradient is nearer to that of log p(x).

The value is F of the data minus F of the chains, nats for the full data. It is no bound of
log p(x), and need not fall.

Cost: one evaluation of the model, and `sweeps` Gibbs sweeps of `chains` chains.
Source: Tieleman 2008, "Training restricted Boltzmann machines using approximations to the
likelihood gradient"; for models with latents, Salakhutdinov & Hinton 2009, "Deep Boltzmann
machines".

As `pcd_rloo`: PCD with the guide trained by leave-one-out score functions.
Topic: Energies.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zoo.checks.arguments import instance, keep_whole
from zoo.energies import Bipartite
from zoo.latents import Latents
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.phases import machine_of, needs_of, negative_phase, objection_of
from zoo.objectives.target import Target
from zoo.objectives.trace_graph import TraceGraph
from zoo.traces import Pair


@dataclass(frozen=True)
class PersistentContrastiveDivergence(Objective):
    """PCD: `chains` chains take `sweeps` sweeps at each step.

    Attributes:
        sweeps: Gibbs sweeps of each chain in a step.
        chains: how many there are; they start at fair coins.
        bound: what trains a guide, and gives the data's part of the gradient.

    Raises:
        ValueError: for fewer than one sweep or chain, or a bound that is no objective.

    Example:
        The chains are kept with the fit, and go on where they were if it is resumed:

        >>> import guides, zoo
        >>> from zoo.objectives import PersistentContrastiveDivergence
        >>> objective = PersistentContrastiveDivergence(chains=20)
        >>> fit = zoo.fit(zoo.load("rbm"), guides.Empty, objective=objective, steps=2)
        >>> fit.program.state.chains.left.shape
        torch.Size([20, 64])
    """

    sweeps: int = 1
    chains: int = 100
    bound: Objective = field(default_factory=TraceGraph)

    def __post_init__(self) -> None:
        keep_whole(self, "sweeps")
        keep_whole(self, "chains")
        instance("bound", self.bound, Objective, "Pass e.g. zoo.objectives.LeaveOneOut().")

    @property
    def needs(self) -> Needs:
        """What the bound asks of a guide, and a model with an energy."""
        return needs_of(self.bound)

    @property
    def target(self) -> Target:
        """No bound: the gradient depends on where the chains are."""
        return Target(None, self.bound.target.guide)

    @property
    def value_is_bound(self) -> bool:
        """No: it depends on where the chains are."""
        return False

    @property
    def keeps_chains(self) -> bool:
        """Yes: of the model."""
        return True

    def objection(self, latents: Latents) -> str | None:
        """That of the bound; and it trains on data rows."""
        return objection_of(self, self.bound, latents)

    def evaluations(self, latents: Latents) -> int:
        """Those of the bound, and one for the weights of the chains."""
        return self.bound.evaluations(latents) + 1

    def state(self, latents: Latents) -> "Persistent":
        """The chains, and the state of the bound."""
        return Persistent(self.chains, latents.energy_units, self.bound.state(latents))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The difference of free energies, nats for the full data, shape ()."""
        assert isinstance(state, Persistent)
        machine = machine_of(pair, args, kwargs)
        positive = self.bound.loss(pair, state.of_bound, args, kwargs)
        return positive + negative_phase(pair, machine, state.chains(machine, self.sweeps))


class Chains(nn.Module):
    """States of Gibbs chains: of the left units, shape (chains, A); fair coins at first."""

    left: Tensor

    def __init__(self, chains: int, units: int) -> None:
        super().__init__()
        self.register_buffer("left", torch.bernoulli(torch.full((chains, units), 0.5)))

    def forward(self, machine: Bipartite, sweeps: int) -> Tensor:
        """The states after so many sweeps more; they are kept in training."""
        left = machine.detached().gibbs(self.left, sweeps)
        if self.training:
            self.left = left
        return left


class Persistent(nn.Module):
    """What is kept from step to step.

    Args:
        chains: number of chains.
        units: left units of the machine.
        of_bound: the state of the bound.
    """

    def __init__(self, chains: int, units: int, of_bound: nn.Module) -> None:
        super().__init__()
        self.chains = Chains(chains, units)
        self.of_bound = of_bound
