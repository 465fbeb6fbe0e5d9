"""Log Z of two sides of binary units: a sum over the smaller side, or annealed sampling (AIS).

AIS takes independent chains from a base-rate model, whose units are independent, to the machine:

    p_t(l)  ~  exp( (1 - t) a0 l + t a l ) prod_j ( 1 + exp( t (b + l W)_j ) ),   t from 0 to 1,
    log w   =  sum over temperatures of the rise of log p_t at the chain's state,

with a Gibbs sweep that leaves p_t invariant after each rise. Z_0 = 2^B prod_i (1 + exp a0_i), and
Z = Z_0 E[w]. The base rates a0 come from Gibbs chains of their own.

Its error is that of the delta method: the relative standard deviation of the mean weight. The
logarithm of a mean is too low on average, by half the squared error, which is added to it; too few
temperatures make weights so unequal that neither can be seen in the chains.

A mode that no chain visits is in no weight. Annealing from the other side takes another path to
the same Z: :func:`log_z` takes both. Each is rarely far above log Z, so that the larger is kept.

Source: Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief networks".
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from zoo.checks.arguments import whole
from zoo.energies.bipartite import Bipartite, bits
from zoo.sites.states import states_by_number

MOST_SUMMED = 20  # units of the smaller side, up to which Z is summed
STATES_AT_ONCE = 4096
CHAINS, TEMPERATURES = 100, 2000
PILOT_CHAINS, PILOT_SWEEPS = 100, 50
LEAST_RATE = 0.02  # of a unit in the base-rate model


class LogZ(NamedTuple):
    """log Z, nats.

    Attributes:
        value: the sum, or its estimate.
        error: standard error, and at least how far two estimates are apart; 0 where the sum is
            exact.
        how: a phrase for notes.
        sides: what annealing from the left and from the right units gave, where both were.
    """

    value: float
    error: float
    how: str
    sides: tuple[float, ...] = ()


def log_z(machine: Bipartite) -> LogZ:
    """The exact sum where a side has at most 20 units, else annealing from both sides."""
    if len(machine.smaller_first.left_bias) <= MOST_SUMMED:
        return LogZ(float(exact_log_z(machine)), 0.0, "summed over all states")
    return larger(annealed_log_z(machine), annealed_log_z(machine.swapped))


def larger(left: LogZ, right: LogZ) -> LogZ:
    """The larger of two estimates of one log Z; its error is at least how far they are apart."""
    found = max(left, right)
    error = max(found.error, abs(left.value - right.value))
    return LogZ(found.value, error, f"{found.how} from either side", (left.value, right.value))


def exact_log_z(machine: Bipartite) -> Tensor:
    """The sum over all states of the smaller side, the other side summed out; shape (), nats.

    Raises:
        ValueError: if the smaller side has more than 20 units.
    """
    small = machine.smaller_first
    units = len(small.left_bias)
    if units > MOST_SUMMED:
        raise ValueError(
            f"log Z is summed over the states of one side of at most {MOST_SUMMED} units; the "
            f"smaller side has {units}. Estimate it: zoo.energies.annealed_log_z(machine)."
        )
    parts = torch.arange(2**units, device=small.weight.device).split(STATES_AT_ONCE)
    blocks = (states_by_number(part, units, 2).to(small.weight) for part in parts)
    return torch.stack([(-small.free_energy(block)).logsumexp(0) for block in blocks]).logsumexp(0)


@torch.no_grad()
def annealed_log_z(
    machine: Bipartite, *, chains: int = CHAINS, temperatures: int = TEMPERATURES
) -> LogZ:
    """An estimate by annealed importance sampling, in double precision.

    Args:
        machine: the units.
        chains: independent chains, at least 2.
        temperatures: steps from the base-rate model to the machine.

    Raises:
        ValueError: for fewer than 2 chains, or no step.
    """
    whole("chains", chains, least=2)
    whole("temperatures", temperatures)
    machine = Bipartite(*(part.double() for part in machine.detached()))
    base = base_rates(machine)
    start = len(machine.right_bias) * math.log(2) + float(softplus(base).sum())
    log_w = _anneal(machine, base, chains, temperatures)
    weight = (log_w - log_w.logsumexp(0)).exp()
    variance = float((chains * weight.square().sum() - 1).clamp(min=0)) / (chains - 1)
    value = start + float(log_w.logsumexp(0)) - math.log(chains)
    how = f"by AIS, {chains} chains of {temperatures} temperatures"
    return LogZ(value, math.hypot(math.sqrt(variance), variance / 2), how)


def base_rates(machine: Bipartite) -> Tensor:
    """Logits of how often Gibbs chains from fair coins have each left unit on, shape (A,)."""
    left = machine.gibbs(machine.coins(PILOT_CHAINS), PILOT_SWEEPS // 2)
    rates = []
    for _ in range(PILOT_SWEEPS - PILOT_SWEEPS // 2):
        left = machine.gibbs(left, 1)
        rates.append(left.mean(0))
    return torch.stack(rates).mean(0).clamp(LEAST_RATE, 1 - LEAST_RATE).logit()


def _anneal(machine: Bipartite, base: Tensor, chains: int, temperatures: int) -> Tensor:
    """Log-weights of the chains, shape (chains,)."""
    left = bits(base.expand(chains, -1))
    log_w = base.new_zeros(chains)
    drive, slope = machine.right_logits(left), left @ (machine.left_bias - base)
    for step in range(temperatures):
        t, after = step / temperatures, (step + 1) / temperatures
        rise = softplus(after * drive) - softplus(t * drive)
        log_w += slope / temperatures + rise.sum(-1)
        right = bits(after * drive)
        left = bits(
            torch.lerp(base, machine.left_bias, after) + after * (right @ machine.weight.mT)
        )
        drive, slope = machine.right_logits(left), left @ (machine.left_bias - base)
    return log_w
