"""What a Pyro model samples or observes where it has an energy and not a density."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from zoo.distributions import NO_SHAPE
from zoo.energies.bipartite import Bipartite

SWEEPS = 100  # of a draw
BITS = constraints.independent(constraints.boolean, 1)


class Boltzmann(TorchDistribution):
    """Rows of bits with an energy. Its `log_prob` is not normalised: it leaves out log Z.

    The rows are the left units of two sides, the right units summed out:

        log_prob(x) = -F(x) = log p(x) + log Z.

    `log Z` depends on the parameters, so that maximising `log_prob` is not maximum likelihood: use
    an objective for energies. What scores a model with such a site subtracts log Z.

    `sample` has no exact draws to give. It runs Gibbs chains of 100 sweeps from fair coins, whose
    states are draws of p only as far as the chains mix.

    Args:
        machine: the units; the left ones are the row.
        batch_shape: of the rows.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: ClassVar[Constraint] = BITS  # type: ignore[assignment]
    has_rsample = False

    def __init__(self, machine: Bipartite, batch_shape: Sequence[int] = NO_SHAPE) -> None:
        self.machine = machine
        shape = torch.Size((len(machine.left_bias),))
        super().__init__(torch.Size(batch_shape), shape, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: None = None) -> "Boltzmann":
        """The same for more rows."""
        return Boltzmann(self.machine, batch_shape)

    def left(self, value: Tensor) -> Tensor:
        """The state of the left units where the row has this value."""
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """-F(x), nats, without log Z: (..., A) -> (...)."""
        value = value.expand(torch.broadcast_shapes(value.shape, self.shape()))
        return -self.machine.free_energy(value)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = NO_SHAPE) -> Tensor:
        """States of Gibbs chains, one for each row: (*sample_shape, *batch, A)."""
        shape = self.shape(torch.Size(sample_shape))
        coins = torch.bernoulli(self.machine.left_bias.new_full(shape, 0.5))
        return self.machine.gibbs(coins, SWEEPS)
