"""Tempered sequential Monte Carlo: particles from prior to posterior, resampled on the way.

Each next temperature is the one at which a chosen share of the effective sample size is left; the
particles are resampled there and moved by HMC. The mean weights' product estimates p(x).

    log Z = sum_t log mean_k exp( (beta_t - beta_{t-1}) log p(x | u_k) )

Temperatures, steps and scales come from a pilot run: particles whose moves follow their own spread
do not keep their distribution, and the estimate would be low by far more than its error in many
dimensions. Given the pilot, E[Z] = p(x), and independent runs, side by side, give the error; the
log of their mean lies below log p(x) in expectation, by about half its squared error.

Source: Del Moral, Doucet & Jasra 2006, "Sequential Monte Carlo samplers"; Jasra et al. 2011
(adaptive temperatures); systematic resampling: Kitagawa 1996.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.checks.arguments import keep_number, keep_whole
from zoo.evidence.ais import FIRST_STEP, pilot_chains, spread_of
from zoo.evidence.annealing_path import Point, Slopes
from zoo.evidence.estimator import Evidence, densities, joined, summary
from zoo.evidence.hmc import Stride, adapt, move
from zoo.metrics.metric import Metric
from zoo.program import Program
from zoo.sampling.joint_density import JointDensity
from zoo.traces import log_mean_exp

HALVINGS = 40
LIMIT = 1000


class Variant(NamedTuple):
    """One temperature of the ladder.

    Attributes:
        beta: inverse temperature of each row, shape (rows,).
        strides: of the moves there, one after another.
    """

    beta: Tensor
    strides: tuple[Stride, ...]


class Sampled(NamedTuple):
    """What the runs yield.

    Attributes:
        log_z: estimates of log p(x), nats, shape (runs, rows).
        accepted: mean probability of acceptance at the last temperature, shape (rows,).
        temperatures: how many it took.
        u: where the particles end, one run after another, shape (runs * particles, rows, size).
    """

    log_z: Tensor
    accepted: Tensor
    temperatures: int
    u: Tensor


@dataclass(frozen=True)
class TemperedSMC(Evidence):
    """Log of the mean of independent runs' estimates, a mean over rows.

    Attributes:
        particles: in a run, for each row.
        runs: independent runs.
        moves: HMC moves at every temperature.
        leapfrogs: leapfrog steps in a move.
        share: of the particles that the effective sample size may fall to.
        most: temperatures after which it gives up.

    Raises:
        ValueError: for fewer than 2 particles or runs, or a share outside of (0, 1).
    """

    particles: int = 64
    runs: int = 8
    moves: int = 3
    leapfrogs: int = 8
    share: float = 0.5
    most: int = LIMIT

    def __post_init__(self) -> None:
        keep_whole(self, "particles", "runs", least=2)
        keep_whole(self, "moves", "leapfrogs")
        keep_number(self, "share", above=0.0, below=1.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics."""
        return ("smc",)

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """The metric "smc"; see :meth:`Evidence.metrics`."""
        chains = self.particles * self.runs
        parts = [self.run(density) for density in densities(program, args, chains)]
        log_z = torch.cat([part.log_z for part in parts], dim=1)
        accepted = torch.cat([part.accepted for part in parts]).mean()
        most = max(part.temperatures for part in parts)
        about = (
            f"{self.runs} runs of {self.particles} particles, {most} temperatures, "
            f"log Z spread by {log_z.std(0).mean():.2g}, {accepted:.0%} of the last moves accepted"
        )
        rowwise = program.latents.rowwise
        return {"smc": summary(log_z, rowwise=rowwise, note=joined(note, about))}

    def run(self, density: JointDensity) -> Sampled:
        """The pilot, then all runs, on one chunk of rows."""
        slopes = Slopes(density)
        count = max(self.particles, pilot_chains(density))
        ladder = self._ladder(slopes, density.draw(count))
        point = slopes.look(density.draw(self.particles * self.runs))
        log_z = point.base.new_zeros(self.runs, point.base.shape[1])
        chance, before = torch.ones_like(point.base), torch.zeros_like(ladder[0].beta)
        for beta, strides in ladder:
            ratio = (point.target - point.base).unflatten(0, (self.runs, self.particles))
            log_w = times((beta - before).expand_as(log_z), ratio)
            log_z, before = log_z + log_mean_exp(log_w, 1), beta
            point = resample(point, log_w)
            for stride in strides:
                point, chance = move(slopes, point, beta, stride)
        return Sampled(log_z, chance.mean(0), len(ladder), point.u)

    def _ladder(self, slopes: Slopes, u: Tensor) -> list[Variant]:
        """Finds temperatures, steps and scales with one run of its own."""
        point, ladder = slopes.look(u), list[Variant]()
        beta, step = torch.zeros_like(point.base[0]), torch.full_like(point.base[0], FIRST_STEP)
        while (beta < 1).any():
            if len(ladder) == self.most:
                raise ValueError(
                    f"Expected to reach the posterior in {self.most} temperatures; the slowest "
                    f"row is at {float(beta.min()):.2g}. Raise particles or lower the share."
                )
            ratio = (point.target - point.base).unsqueeze(0)
            new = next_beta(ratio, beta.unsqueeze(0), self.share)
            point = resample(point, times(new - beta, ratio))
            beta, strides = new[0], list[Stride]()
            for _ in range(self.moves if u.shape[-1] else 0):
                strides.append(Stride(step, spread_of(point.u), self.leapfrogs))
                point, chance = move(slopes, point, beta, strides[-1])
                step = adapt(step, chance.mean(0))
            ladder.append(Variant(beta, tuple(strides)))
        return ladder


def times(delta: Tensor, ratio: Tensor) -> Tensor:
    """Log-weights delta * ratio, (runs, particles, rows); 0 where delta is, even for -inf."""
    delta = delta.unsqueeze(1)
    return torch.where(delta > 0, delta * ratio, 0.0)


def next_beta(ratio: Tensor, beta: Tensor, share: float) -> Tensor:
    """The inverse temperature at which that share of the particles is left, by bisection.

    Args:
        ratio: log target - log base of the particles, shape (runs, particles, rows).
        beta: inverse temperatures now, shape (runs, rows).
        share: effective sample size over particles.

    Returns:
        Shape (runs, rows): 1 where the share is kept all the way, always above `beta`.
    """

    def kept(delta: Tensor) -> Tensor:
        log_w = times(delta, ratio)
        return (2 * log_w.logsumexp(1) - (2 * log_w).logsumexp(1)).exp() / ratio.shape[1]

    low, high = torch.zeros_like(beta), 1 - beta
    done = kept(high) >= share
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = kept(middle) >= share
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    return torch.where(done, 1.0, beta + high)


def resample(point: Point, log_w: Tensor) -> Point:
    """Systematic resampling, run by run and row by row.

    Args:
        point: of all particles, runs one after another.
        log_w: their log-weights, shape (runs, particles, rows).
    """
    runs, particles, rows = log_w.shape
    heights = log_w.softmax(1).cumsum(1).movedim(1, -1).contiguous()
    offset = torch.rand(runs, rows, 1, dtype=log_w.dtype, device=log_w.device)
    comb = (torch.arange(particles, device=log_w.device) + offset) / particles
    chosen = torch.searchsorted(heights, comb).clamp(max=particles - 1).movedim(-1, 1)
    start = torch.arange(runs, device=log_w.device).reshape(-1, 1, 1) * particles
    index = (start + chosen).flatten(0, 1)
    spread = index.unsqueeze(-1).expand(-1, -1, point.u.shape[-1])
    return Point(
        point.u.gather(0, spread), point.base.gather(0, index), point.target.gather(0, index)
    )
