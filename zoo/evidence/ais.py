"""Annealed importance sampling: chains from the prior, or from a guide, to the posterior.

    log w = sum_t (beta_t - beta_{t-1}) ( log p(x, u_{t-1}) - log base(u_{t-1}) ),

with u_t an HMC move from u_{t-1} that leaves f_{beta_t} invariant. E[w] = p(x), so the log of the
mean weight lies below log p(x) in expectation and rises to it with chains and temperatures.
Step sizes and scales come from a pilot run, since steps that follow a chain's own past would bias
its weight. Where rows share their latents, the scale is the whole covariance: a smooth function's
values move together or not at all.

Source: Neal 2001, "Annealed importance sampling"; Wu et al. 2017, "On the quantitative analysis
of decoder-based generative models" (schedule, HMC).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.checks.arguments import keep_whole, one_of
from zoo.evidence.annealing_path import Slopes
from zoo.evidence.estimator import Evidence, densities, joined, summary
from zoo.evidence.hmc import Stride, adapt, move
from zoo.metrics.metric import Metric
from zoo.metrics.weight_diagnostics import effective_sample_size
from zoo.program import Program
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.joint_density import JointDensity

PILOT_CHAINS = 16
DENSE = 100  # coordinates of a covariance, at most
CHAINS_EACH, ENOUGH = 4, 2  # pilot's chains for each coordinate of it; and at least
PILOT_EVERY = 4  # temperatures of the run for one of the pilot's
PILOT_MOVES = 2
FIRST_STEP = 0.2


class Annealed(NamedTuple):
    """What annealing yields.

    Attributes:
        log_w: log-weights, nats, shape (chains, rows).
        accepted: mean probability of acceptance of each row's moves, shape (rows,).
    """

    log_w: Tensor
    accepted: Tensor


@dataclass(frozen=True)
class AnnealedImportance(Evidence):
    """Log of the mean weight over chains, a mean over rows.

    Attributes:
        chains: independent chains for each row.
        temperatures: steps from the base to the posterior, each an HMC move.
        leapfrogs: leapfrog steps in a move.
        start: "prior", or "guide" for a guide whose density is known at any point.

    Raises:
        ValueError: for another start, or fewer than 2 chains or temperatures.
    """

    chains: int = 16
    temperatures: int = 200
    leapfrogs: int = 8
    start: str = "prior"

    def __post_init__(self) -> None:
        one_of("start", self.start, ("prior", "guide"))
        keep_whole(self, "chains", "temperatures", least=2)
        keep_whole(self, "leapfrogs")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics."""
        return ("ais",) if self.start == "prior" else ("ais_from_guide",)

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """The metric "ais", or "ais_from_guide"; see :meth:`Evidence.metrics`."""
        parts = [self._run(density) for density in densities(program, args, self.chains)]
        log_w = torch.cat([part.log_w for part in parts], dim=1)
        accepted = torch.cat([part.accepted for part in parts]).mean()
        worth = effective_sample_size(log_w)[0].mean()
        about = (
            f"{self.chains} chains, {self.temperatures} temperatures, ESS {worth:.1f}, "
            f"{accepted:.0%} of moves accepted"
        )
        rowwise = program.latents.rowwise
        return {self.names[0]: summary(log_w, rowwise=rowwise, note=joined(note, about))}

    def _run(self, density: JointDensity) -> Annealed:
        path = FromGuide(density) if self.start == "guide" else density
        betas = sigmoid_schedule(self.temperatures)
        slopes = Slopes(path)
        strides = pilot(slopes, path.draw(pilot_chains(density)), betas, self.leapfrogs)
        return anneal(slopes, path.draw(self.chains), betas, strides)


def require_two(**counts: int) -> None:
    """Raises ValueError for a count below 2, naming it."""
    for name, count in counts.items():
        if count < 2:
            raise ValueError(f"Expected at least 2 {name}; got {count}.")


def sigmoid_schedule(temperatures: int, spread: float = 4.0) -> list[float]:
    """Inverse temperatures 0 = beta_0 < .. < beta_T = 1, close together at both ends.

    Source: Wu et al. 2017, section 4.
    """
    levels = torch.sigmoid(torch.linspace(-spread, spread, temperatures + 1, dtype=torch.float64))
    return ((levels - levels[0]) / (levels[-1] - levels[0])).tolist()


def pilot_chains(density: JointDensity) -> int:
    """How many chains a pilot has: more than the coordinates of latents that rows share."""
    if density.rows > 1 or density.size > DENSE:
        return PILOT_CHAINS
    return max(PILOT_CHAINS, CHAINS_EACH * density.size)


def pilot(
    slopes: Slopes, u: Tensor, betas: Sequence[float], leapfrogs: int, datasets: int = 1
) -> list[Stride]:
    """Finds a stride for every temperature with chains of their own.

    Each step size follows the acceptance of its row; each scale is the chains' spread.

    Args:
        slopes: the gradient along the path, with both ends.
        u: where the pilot's chains start, shape (chains, rows, size).
        betas: the run's inverse temperatures.
        leapfrogs: steps in a move.
        datasets: that the chains see, equally many each, one after another.
    """
    step, point = torch.full_like(u[0, :, 0:1].sum(-1), FIRST_STEP), slopes.look(u)
    found: list[Stride] = []
    for i, beta in enumerate(betas):
        if i % PILOT_EVERY == 0:
            for _ in range(PILOT_MOVES if u.shape[-1] else 0):
                stride = Stride(step, spread_of(point.u, datasets), leapfrogs)
                point, chance = move(slopes, point, u.new_tensor(beta), stride)
                step = adapt(step, chance.mean(0))
        found.append(Stride(step, spread_of(point.u, datasets), leapfrogs))
    return found


def spread_of(u: Tensor, datasets: int = 1) -> Tensor:
    """How chains are spread about the mean of those that see the same data.

    Args:
        u: shape (chains, rows, size).
        datasets: that the chains see.

    Returns:
        L with L L' their covariance, (rows, size, size), for a single row and enough chains; else
        the standard deviation of each coordinate, never 0, (rows, size).
    """
    chains, rows, size = u.shape
    each = u.unflatten(0, (datasets, -1))
    away = (each - each.mean(1, keepdim=True)).flatten(0, 1)
    free = max(chains - datasets, 1)
    if rows > 1 or not 1 < size <= DENSE or free < ENOUGH * size:
        return (away.square().sum(0) / free).sqrt().clamp(min=1e-6)
    return torch.linalg.qr(away.movedim(0, 1), mode="r").R.mT / free**0.5


def anneal(
    slopes: Slopes, u: Tensor, betas: Sequence[float], strides: Sequence[Stride]
) -> Annealed:
    """Anneals chains from draws at the first temperature towards the last.

    Betas that fall, from a draw of the posterior, give the reverse weights, of mean 1 / p(x).

    Args:
        slopes: the gradient along the path, with both ends.
        u: draws at the first temperature, shape (chains, rows, size).
        betas: inverse temperatures, one after another.
        strides: of the move at each of them.
    """
    point = slopes.look(u)
    log_w, accepted = torch.zeros_like(point.base), []
    for i in range(1, len(betas)):
        log_w = log_w + (betas[i] - betas[i - 1]) * (point.target - point.base)
        if i < len(betas) - 1 and u.shape[-1]:
            point, chance = move(slopes, point, u.new_tensor(betas[i]), strides[i])
            accepted.append(chance.mean(0))
    return Annealed(log_w, torch.stack(accepted or [torch.ones_like(log_w[0])]).mean(0))
