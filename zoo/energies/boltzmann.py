"""What a Pyro model samples or observes where it has an energy and not a density."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from zoo.distributions import NO_SHAPE
from zoo.energies.bipartite import Bipartite, bits

SWEEPS = 100  # of a draw
BITS = constraints.independent(constraints.boolean, 1)


class Boltzmann(TorchDistribution):
    """Rows of bits with an energy. Its `log_prob` is not normalised: it leaves out log Z.

    The rows are the left units of two sides, the right units summed out:

        log_prob(x) = -F(x) = log p(x) + log Z.

    `log Z` depends on the parameters, so that maximising `log_prob` is not maximum likelihood: use
    an objective for energies. What scores a model with such a site subtracts log Z.

    Where the other units are latents of the model, they are sampled as fair coins before, whose
    log 1/2 each is taken off here: `beside`, the left units that are not in the row, and `right`.
    All sites together then have the log-probability -E.

    `sample` has no exact draws of a row alone. It runs Gibbs chains of 100 sweeps from fair coins,
    whose states are draws of p only as far as the chains mix. Given the right units it draws
    exactly.

    Args:
        machine: the units; the first of the left ones are the row.
        batch_shape: of the rows.
        right: the right units, shape (..., B); None where they are summed out.
        beside: the left units after those of the row, shape (..., A - D), with `right` only.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: ClassVar[Constraint] = BITS  # type: ignore[assignment]
    has_rsample = False

    def __init__(
        self,
        machine: Bipartite,
        batch_shape: Sequence[int] = NO_SHAPE,
        *,
        right: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> None:
        self.machine, self.right, self.beside = machine, right, beside
        others = 0 if beside is None else beside.shape[-1]
        leads = [part.shape[:-1] for part in (right, beside) if part is not None]
        shape = torch.broadcast_shapes(torch.Size(batch_shape), *leads)
        event = torch.Size((len(machine.left_bias) - others,))
        super().__init__(shape, event, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: None = None) -> "Boltzmann":
        """The same for more rows."""
        return Boltzmann(self.machine, batch_shape, right=self.right, beside=self.beside)

    @property
    def mean(self) -> Tensor:
        """E[x] given the right units, shape (*batch, D).

        Raises:
            NotImplementedError: where they are summed out.
        """
        return torch.sigmoid(self._logits())

    def left(self, value: Tensor) -> Tensor:
        """The state of the left units where the row has this value: (..., D) -> (..., A)."""
        if self.beside is None:
            return value
        lead = torch.broadcast_shapes(value.shape[:-1], self.beside.shape[:-1])
        parts = [part.expand(*lead, part.shape[-1]) for part in (value, self.beside)]
        return torch.cat(parts, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """-F(x), or -E less the coins' log-probability; without log Z: (..., D) -> (...)."""
        value = value.expand(torch.broadcast_shapes(value.shape, self.shape()))
        if self.right is None:
            return -self.machine.free_energy(value)
        left = self.left(value)
        coins = self.right.shape[-1] + left.shape[-1] - value.shape[-1]
        return coins * math.log(2) - self.machine.energy(left, self.right)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = NO_SHAPE) -> Tensor:
        """Given the right units, draws; else states of chains: (*sample_shape, *batch, D)."""
        shape = self.shape(torch.Size(sample_shape))
        if self.right is not None:
            return bits(self._logits().expand(shape))
        coins = torch.bernoulli(self.machine.left_bias.new_full(shape, 0.5))
        return self.machine.gibbs(coins, SWEEPS)

    def _logits(self) -> Tensor:
        if self.right is None:
            raise NotImplementedError("the mean of an energy has no closed form")
        return self.machine.left_logits(self.right)[..., : self.event_shape[0]]
