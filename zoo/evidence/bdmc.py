"""Bidirectional Monte Carlo: how far annealed importance sampling is from the truth.

On data simulated from the model itself, the latents that made them are an exact draw of their
posterior. Annealed from the prior up, the weights give a lower bound on log p(x); from that draw
down, an upper bound:

    E[log w_up]  <=  log p(x)  <=  -E[log w_down].

Where the two meet, annealing with these settings can be trusted on data like these. The model must
take its observations by ``obs=`` alone: an encoder in it would still see the data passed.

Source: Grosse, Ghahramani & Adams 2015, "Sandwiching the marginal likelihood using bidirectional
Monte Carlo".
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.checks.arguments import keep_whole
from zoo.evidence.ais import (
    anneal,
    pilot,
    pilot_chains,
    require_two,
    sigmoid_schedule,
)
from zoo.evidence.annealing_path import Slopes
from zoo.evidence.estimator import Evidence, densities, joined, summary
from zoo.metrics.metric import Metric
from zoo.program import Program
from zoo.sampling.joint_density import JointDensity
from zoo.traces import log_mean_exp


class BothWays(NamedTuple):
    """What annealing up and down yields.

    Attributes:
        up: log-weights from the prior, nats, shape (chains, data sets), a row being a data set.
        down: the same from the latents that made the data.
        data: observed site -> the simulated data, shape (data sets, ...), (1, rows, ...) for rows.
    """

    up: Tensor
    down: Tensor
    data: dict[str, Tensor]


@dataclass(frozen=True)
class Bidirectional(Evidence):
    """Lower bound, upper bound and their gap, a mean over simulated data.

    Attributes:
        chains: for each data set and row, each way.
        temperatures: between prior and posterior.
        leapfrogs: leapfrog steps in a move.
        datasets: simulated where rows share a latent; else each row is one.

    The upper bound's error is the gap's, which is no smaller: the chains of a data set start from
    the same draw, so only data sets are independent.

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
        """Of the metrics."""
        return ("bdmc_lower", "bdmc_upper", "bdmc_gap")

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """Both bounds and the gap; see :meth:`Evidence.metrics`."""
        parts = [self.run(density) for density in densities(program, args, self.chains)]
        up, down = (torch.cat(column, 1) for column in zip(*(p[:2] for p in parts), strict=True))
        return self.bounds(up, down, rowwise=program.latents.rowwise, note=note)

    def bounds(
        self, up: Tensor, down: Tensor, *, rowwise: bool, note: str = ""
    ) -> dict[str, Metric]:
        """The metrics of log-weights of both ways, each (chains, data sets)."""
        gaps = -log_mean_exp(down) - log_mean_exp(up)
        require_two(**{"simulated data sets": len(gaps)})
        about = joined(
            note,
            f"{len(gaps)} {'rows' if rowwise else 'data sets'} "
            f"simulated from the model, {self.temperatures} temperatures",
        )
        lower = summary(up, rowwise=rowwise, note=about)
        se = float(gaps.std()) / len(gaps) ** 0.5
        gap = replace(lower, value=float(gaps.mean()), se=se, better="lower")
        upper = replace(gap, value=lower.value + gap.value)
        return dict(zip(self.names, (lower, upper, gap), strict=True))

    def run(self, density: JointDensity) -> BothWays:
        """Simulates data and anneals on them both ways, on one chunk of rows."""
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
