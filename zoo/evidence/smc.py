"""Tempered sequential Monte Carlo: particles move from prior to posterior and are resampled.

Each temperature is chosen so that the effective sample size falls to a given share of the
particles; they are then resampled, and moved by HMC. The product of the mean weights estimates
p(x).

    log Z = sum_t log mean_k exp( (beta_t - beta_{t-1}) log p(x | u_k) )

Temperatures, step sizes and scales are found by a pilot run with particles of its own. Particles
whose moves adapt to their own spread would not keep the tempered distribution, and in many
dimensions the estimate would then be too low by far more than its error. Given the pilot,
E[Z] = p(x), and independent runs give the standard error. The expectation of the log of their mean
is below log p(x), by about half the squared error.

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
from zoo.evidence.estimator import Evidence, densities, summary
from zoo.evidence.hmc import Stride, adapt, move
from zoo.metrics.metric import Metric, joined
from zoo.program import Program
from zoo.sampling.joint_density import JointDensity
from zoo.traces import log_mean_exp

BISECTIONS = 40
MOST_TEMPERATURES = 1000


class Level(NamedTuple):
    """A temperature and the moves made at it.

    Attributes:
        beta: inverse temperature of each row, shape (rows,).
        strides: of the moves, in order.
    """

    beta: Tensor
    strides: tuple[Stride, ...]


class Sampled(NamedTuple):
    """The result of the runs.

    Attributes:
        log_z: estimates of log p(x), nats, shape (runs, rows).
        accepted: mean acceptance probability at the last temperature, shape (rows,).
        temperatures: number of temperatures.
        u: the particles at the end, those of the first run first, shape
            (runs * particles, rows, size).
    """

    log_z: Tensor
    accepted: Tensor
    temperatures: int
    u: Tensor


@dataclass(frozen=True)
class TemperedSMC(Evidence):
    """Tempered SMC: the log of the mean of independent runs' estimates, mean over rows.

    Attributes:
        particles: in a run, for each row.
        runs: number of independent runs.
        moves: HMC moves at every temperature.
        leapfrogs: leapfrog steps in a move.
        share: the next temperature is the one at which the effective sample size is this share
            of the particles.
        most: largest number of temperatures; it raises where they do not reach the posterior.

    Raises:
        ValueError: for fewer than 2 particles or runs, or a share outside of (0, 1).
    """

    particles: int = 64
    runs: int = 8
    moves: int = 3
    leapfrogs: int = 8
    share: float = 0.5
    most: int = MOST_TEMPERATURES

    def __post_init__(self) -> None:
        keep_whole(self, "particles", "runs", least=2)
        keep_whole(self, "moves", "leapfrogs")
        keep_number(self, "share", above=0.0, below=1.0)

    @property
    def names(self) -> tuple[str, ...]:
        """The one metric's name, "smc"."""
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
        """The pilot run, then all runs, on one chunk of rows."""
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

    def _ladder(self, slopes: Slopes, u: Tensor) -> list[Level]:
        """Temperatures, step sizes and scales, found by a pilot run."""
        point, ladder = slopes.look(u), list[Level]()
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
            ladder.append(Level(beta, tuple(strides)))
        return ladder


def times(delta: Tensor, ratio: Tensor) -> Tensor:
    """Log-weights delta * ratio, (runs, particles, rows), where 0 times -inf counts as 0."""
    delta = delta.unsqueeze(1)
    return torch.where(delta > 0, delta * ratio, 0.0)


def next_beta(ratio: Tensor, beta: Tensor, share: float) -> Tensor:
    """The inverse temperature at which the effective sample size is that share, by bisection.

    Args:
        ratio: log target - log base of the particles, shape (runs, particles, rows).
        beta: inverse temperatures now, shape (runs, rows).
        share: effective sample size over number of particles.

    Returns:
        Shape (runs, rows), always above `beta`; 1 where the effective sample size stays larger.
    """

    def kept(delta: Tensor) -> Tensor:
        log_w = times(delta, ratio)
        return (2 * log_w.logsumexp(1) - (2 * log_w).logsumexp(1)).exp() / ratio.shape[1]

    low, high = torch.zeros_like(beta), 1 - beta
    done = kept(high) >= share
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = kept(middle) >= share
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    return torch.where(done, 1.0, beta + high)


def resample(point: Point, log_w: Tensor) -> Point:
    """Systematic resampling within each run and row.

    Args:
        point: of all particles, those of the first run first.
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
