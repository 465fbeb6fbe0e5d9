"""Annealed importance sampling: chains of HMC from the prior to the posterior (log p(x)).

    log w = sum_t (beta_t - beta_{t-1}) ( log p(x, u_{t-1}) - log base(u_{t-1}) ),

with u_t an HMC move from u_{t-1} that leaves f_{beta_t} invariant. E[w] = p(x), so the expectation
of the log of the mean weight is below log p(x); it approaches log p(x) with more chains and
temperatures. Step sizes and scales are found by a pilot run with chains of its own, because
adapting them to a chain's own past would bias its weight. Where rows share their latents, the
scale is a full covariance: strongly correlated latents, such as the values of a smooth function,
can only move together.

Source: Neal 2001, "Annealed importance sampling"; Wu et al. 2017, "On the quantitative analysis
of decoder-based generative models" (schedule, HMC).

As `ais_from_guide`: Annealed importance sampling that starts at the guide in place of the prior.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.checks.arguments import keep_whole, one_of
from zoo.evidence.annealing_path import Slopes
from zoo.evidence.estimator import Evidence, densities, summary
from zoo.evidence.hmc import Stride, adapt, move
from zoo.metrics.metric import Metric, joined
from zoo.metrics.weight_diagnostics import effective_sample_size
from zoo.program import Program
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.joint_density import JointDensity

PILOT_CHAINS = 16
LARGEST_COVARIANCE = 100  # coordinates; above, the scale is the sd of each coordinate
CHAINS_PER_COORDINATE = 4  # of a pilot that estimates a covariance
FEWEST_CHAINS_PER_COORDINATE = 2  # with fewer, the scale is the sd of each coordinate
PILOT_EVERY = 4  # the pilot moves at every fourth temperature
PILOT_MOVES = 2
FIRST_STEP = 0.2


class Annealed(NamedTuple):
    """The result of annealing.

    Attributes:
        log_w: log-weights, nats, shape (chains, rows).
        accepted: mean acceptance probability of each row's moves, shape (rows,).
    """

    log_w: Tensor
    accepted: Tensor


@dataclass(frozen=True)
class AnnealedImportance(Evidence):
    """Annealed importance sampling: the log of the mean weight over chains, mean over rows.

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
        """The one metric's name: "ais", or "ais_from_guide"."""
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
    """Number of chains of a pilot: four for each coordinate where it estimates a covariance."""
    if density.rows > 1 or density.size > LARGEST_COVARIANCE:
        return PILOT_CHAINS
    return max(PILOT_CHAINS, CHAINS_PER_COORDINATE * density.size)


def pilot(
    slopes: Slopes, u: Tensor, betas: Sequence[float], leapfrogs: int, datasets: int = 1
) -> list[Stride]:
    """A stride for every temperature, found by chains that are then thrown away.

    The step size of a row follows the acceptance of its moves; the scale is the chains' spread.

    Args:
        slopes: the log densities along the path and their gradient.
        u: where the pilot's chains start, shape (chains, rows, size).
        betas: the run's inverse temperatures.
        leapfrogs: steps in a move.
        datasets: number of data sets; the first chains see the first one, and so on, equally many.
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
    """The spread of chains about the mean of those chains that see the same data.

    Args:
        u: shape (chains, rows, size).
        datasets: number of data sets; each is seen by equally many chains.

    Returns:
        For a single row and enough chains L, where L L' is the covariance, (rows, size, size);
        else the standard deviation of each coordinate, never 0, (rows, size).
    """
    chains, rows, size = u.shape
    each = u.unflatten(0, (datasets, -1))
    away = (each - each.mean(1, keepdim=True)).flatten(0, 1)
    free = max(chains - datasets, 1)
    too_few = free < FEWEST_CHAINS_PER_COORDINATE * size
    if rows > 1 or not 1 < size <= LARGEST_COVARIANCE or too_few:
        return (away.square().sum(0) / free).sqrt().clamp(min=1e-6)
    return torch.linalg.qr(away.movedim(0, 1), mode="r").R.mT / free**0.5


def anneal(
    slopes: Slopes, u: Tensor, betas: Sequence[float], strides: Sequence[Stride]
) -> Annealed:
    """Log-weights of chains that are annealed from the first temperature to the last.

    With rising betas, from draws of the prior, the mean weight estimates p(x); with falling betas,
    from a draw of the posterior, it estimates 1 / p(x).

    Args:
        slopes: the log densities along the path and their gradient.
        u: draws at the first temperature, shape (chains, rows, size).
        betas: inverse temperatures, in the order of the run.
        strides: of the move at each temperature.
    """
    point = slopes.look(u)
    log_w, accepted = torch.zeros_like(point.base), []
    for i in range(1, len(betas)):
        log_w = log_w + (betas[i] - betas[i - 1]) * (point.target - point.base)
        if i < len(betas) - 1 and u.shape[-1]:
            point, chance = move(slopes, point, u.new_tensor(betas[i]), strides[i])
            accepted.append(chance.mean(0))
    return Annealed(log_w, torch.stack(accepted or [torch.ones_like(log_w[0])]).mean(0))
