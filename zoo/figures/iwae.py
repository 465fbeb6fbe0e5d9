"""The importance-weighted bound with K particles. Burda, Grosse & Salakhutdinov 2016."""

from dataclasses import dataclass

from torch import Tensor

from zoo.figures.figure import PerRow
from zoo.traces import log_mean_exp


@dataclass(frozen=True)
class ImportanceBound:
    """The mean over groups of K draws of log(1/K sum_k w_k)."""

    particles: int

    def __call__(self, log_w: Tensor) -> PerRow:
        """The bound and its standard error, nats; log_w (draws, rows) -> (rows,) each.

        Raises:
            ValueError: if the draws do not make at least two groups.
        """
        groups = len(log_w) // self.particles
        if groups < 2:
            raise ValueError(
                f"Expected at least {2 * self.particles} draws for two groups of K = "
                f"{self.particles}; got {len(log_w)}. Raise draws or lower K."
            )
        grouped = log_w[: groups * self.particles].unflatten(0, (self.particles, groups))
        return mean_of_groups(log_mean_exp(grouped))


def mean_of_groups(bounds: Tensor) -> PerRow:
    """The mean of independent groups' bounds and its standard error; (groups, rows)."""
    return bounds.mean(0), bounds.std(0) / len(bounds) ** 0.5
