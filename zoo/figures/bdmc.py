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

import torch
from torch import Tensor

from zoo.figures.ais import (
    PILOT_CHAINS,
    anneal,
    pilot,
    require_two,
    sigmoid_schedule,
)
from zoo.figures.evidence import Evidence, densities, joined, summary
from zoo.figures.figure import Figure
from zoo.figures.slopes import Slopes
from zoo.joint_density import JointDensity
from zoo.program import Program
from zoo.traces import log_mean_exp


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
        require_two(chains=self.chains, temperatures=self.temperatures, datasets=self.datasets)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the figures."""
        return ("bdmc_lower", "bdmc_upper", "bdmc_gap")

    def figures(self, program: Program, args: tuple, note: str) -> dict[str, Figure]:
        """Both bounds and the gap; see :meth:`Evidence.figures`."""
        parts = [self._run(density) for density in densities(program, args, self.chains)]
        up, down = (torch.cat(column, dim=1) for column in zip(*parts, strict=True))
        gaps = -log_mean_exp(down) - log_mean_exp(up)
        require_two(**{"simulated data sets": len(gaps)})
        about = joined(
            note,
            f"{len(gaps)} {'rows' if program.latents.rowwise else 'data sets'} "
            f"simulated from the model, {self.temperatures} temperatures",
        )
        lower = summary(up, rowwise=program.latents.rowwise, note=about)
        se = float(gaps.std()) / len(gaps) ** 0.5
        gap = replace(lower, value=float(gaps.mean()), se=se, better="lower")
        upper = replace(gap, value=lower.value + gap.value)
        return dict(zip(self.names, (lower, upper, gap), strict=True))

    def _run(self, density: JointDensity) -> tuple[Tensor, Tensor]:
        """Log-weights of both ways, up and down, each (chains, data sets)."""
        datasets = 1 if density.latents.rowwise else self.datasets
        truth, data = density.simulate(datasets)
        simulated = density.on(data)
        slopes, betas = Slopes(simulated), sigmoid_schedule(self.temperatures)
        u = simulated.draw(datasets * -(-PILOT_CHAINS // datasets))
        strides = pilot(slopes, u, betas, self.leapfrogs)
        up = anneal(slopes, simulated.draw(datasets * self.chains), betas, strides)
        u = truth.repeat_interleave(self.chains, 0)
        down = anneal(slopes, u, betas[::-1], strides[::-1])
        return self._by_dataset(up.log_w, datasets), self._by_dataset(down.log_w, datasets)

    def _by_dataset(self, log_w: Tensor, datasets: int) -> Tensor:
        """(data sets * chains, rows) -> (chains, data sets * rows)."""
        return log_w.unflatten(0, (datasets, self.chains)).movedim(1, 0).flatten(1)
