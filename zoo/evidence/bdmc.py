"""Bidirectional Monte Carlo: a lower and an upper bound on log p(x) of simulated data.

If data are simulated from the model, the latents that generated them are an exact draw from their
posterior. Annealing from the prior to the posterior gives a lower bound on log p(x); annealing
from the exact draw back to the prior gives an upper bound:

    E[log w_up]  <=  log p(x)  <=  -E[log w_down].

Where the two nearly agree, annealing with these settings can be trusted on data like these. The
model must use the data through ``obs=`` alone: a network in it that reads the data as an argument
would be given the old data, not the simulated ones.

Source: Grosse, Ghahramani & Adams 2015, "Sandwiching the marginal likelihood using bidirectional
Monte Carlo".
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.checks.arguments import keep_whole
from zoo.evidence.ais import anneal, pilot, pilot_chains, require_two, sigmoid_schedule
from zoo.evidence.annealing_path import Slopes
from zoo.evidence.estimator import Evidence, densities, summary
from zoo.metrics.means import sample_mean
from zoo.metrics.metric import Metric, joined
from zoo.program import Program
from zoo.sampling.joint_density import JointDensity
from zoo.traces import log_mean_exp


class BothWays(NamedTuple):
    """The result of annealing in both directions.

    Attributes:
        up: log-weights from the prior, nats, shape (chains, data sets); a row is a data set.
        down: log-weights from the latents that generated the data, the same shape.
        data: observed site -> simulated data, shape (data sets, ...), or (1, rows, ...) for rows.
    """

    up: Tensor
    down: Tensor
    data: dict[str, Tensor]


@dataclass(frozen=True)
class Bidirectional(Evidence):
    """A lower bound, an upper bound and their gap, means over simulated data sets.

    Attributes:
        chains: number of chains for each data set and row, in each direction.
        temperatures: between prior and posterior.
        leapfrogs: leapfrog steps in a move.
        datasets: number of data sets where rows share a latent; else each row is a data set.

    The standard error reported for the upper bound is that of the gap, which is no smaller. The
    downward chains of a data set start from the same draw, so only data sets are independent.

    Raises:
        ValueError: for fewer than 2 chains, temperatures or data sets.
    """

    chains: int = 8
    temperatures: int = 200
    leapfrogs: int = 8
    datasets: int = 8

    def __post_init__(self) -> None:
        keep_whole(self, "chains", "temperatures", "datasets", least=2)
        keep_whole(self, "leapfrogs")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the three metrics: lower bound, upper bound, and gap."""
        return ("bdmc_lower", "bdmc_upper", "bdmc_gap")

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """Both bounds and the gap; see :meth:`Evidence.metrics`."""
        parts = [self.run(density) for density in densities(program, args, self.chains)]
        up, down = (torch.cat(column, 1) for column in zip(*(p[:2] for p in parts), strict=True))
        return self.bounds(up, down, rowwise=program.latents.rowwise, note=note)

    def bounds(
        self, up: Tensor, down: Tensor, *, rowwise: bool, note: str = ""
    ) -> dict[str, Metric]:
        """The three metrics, from log-weights of both directions, each (chains, data sets)."""
        gaps = -log_mean_exp(down) - log_mean_exp(up)
        require_two(**{"simulated data sets": len(gaps)})
        about = joined(
            note,
            f"{len(gaps)} {'rows' if rowwise else 'data sets'} "
            f"simulated from the model, {self.temperatures} temperatures",
        )
        lower = summary(up, rowwise=rowwise, note=about)
        gap = sample_mean(gaps, lower.unit, better="lower", note=lower.note)
        upper = replace(gap, value=lower.value + gap.value)
        return dict(zip(self.names, (lower, upper, gap), strict=True))

    def run(self, density: JointDensity) -> BothWays:
        """Simulates data and anneals on them in both directions, on one chunk of rows."""
        datasets = 1 if density.latents.rowwise else self.datasets
        truth, data = density.simulate(datasets)
        simulated = density.on(data)
        slopes, betas = Slopes(simulated), sigmoid_schedule(self.temperatures)
        u = simulated.draw(datasets * (1 + -(-pilot_chains(density) // datasets)))
        strides = pilot(slopes, u, betas, self.leapfrogs, datasets)
        up = anneal(slopes, simulated.draw(datasets * self.chains), betas, strides).log_w
        u = truth.repeat_interleave(self.chains, 0)
        down = anneal(slopes, u, betas[::-1], strides[::-1]).log_w
        return BothWays(self._by_dataset(up, datasets), self._by_dataset(down, datasets), data)

    def _by_dataset(self, log_w: Tensor, datasets: int) -> Tensor:
        """(data sets * chains, rows) -> (chains, data sets * rows)."""
        return log_w.unflatten(0, (datasets, self.chains)).movedim(1, 0).flatten(1)
