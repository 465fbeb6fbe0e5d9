"""Step sizes by dual averaging, so that the mean acceptance of a trajectory meets its target.

Source: Hoffman & Gelman 2014, "The no-U-turn sampler", section 3.2 and algorithm 4.
"""

import torch
from torch import Tensor

from zoo.nuts.chains import StepSizes

SHRINKAGE, DELAY, DECAY = 0.05, 10.0, 0.75  # gamma, t0 and kappa of the paper
FIRST_FACTOR = 10.0  # the search is drawn to larger steps, which are cheaper to reject


def fresh_sizes(step: Tensor) -> StepSizes:
    """Step sizes (chains,) before their first update."""
    zero = torch.zeros_like(step)
    return StepSizes(step.log(), step.log(), zero, zero, (FIRST_FACTOR * step).log())


def settled(sizes: StepSizes) -> StepSizes:
    """The averaged step sizes, as they are used after the adaptation."""
    return sizes._replace(log_step=sizes.log_mean)


def updated(sizes: StepSizes, acceptance: Tensor, target: Tensor) -> StepSizes:
    """The step sizes after trajectories of some mean acceptance, (chains,)."""
    count = sizes.updates + 1
    share = 1 / (count + DELAY)
    shortfall = (1 - share) * sizes.shortfall + share * (target - acceptance)
    log_step = sizes.centre - count.sqrt() / SHRINKAGE * shortfall
    weight = torch.exp(-DECAY * torch.log(count))
    log_mean = weight * log_step + (1 - weight) * sizes.log_mean
    return StepSizes(log_step, log_mean, shortfall, count, sizes.centre)
