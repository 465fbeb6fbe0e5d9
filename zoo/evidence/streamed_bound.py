"""The importance-weighted bound with very many particles, their weights never held at once.

Source: Burda, Grosse & Salakhutdinov 2016, who report K = 5000.
"""

from dataclasses import dataclass

import torch

from zoo.checks.arguments import keep_whole
from zoo.evidence.estimator import Evidence, joined
from zoo.metrics.bounds import mean_of_groups
from zoo.metrics.metric import Metric, WeightMetric
from zoo.program import Program
from zoo.sampling.importance_weights import log_mean_weights, row_count

FREEDOM = 20  # degrees of freedom that the standard error is to rest on


@dataclass(frozen=True)
class StreamedBound(Evidence):
    """The mean over groups of log(1/K sum_k w_k), each from K draws of its own.

    Attributes:
        particles: K.
        groups: for each row; None for 2, or for more where there are fewer than 20 rows.

    Raises:
        ValueError: for K below 1, or fewer than 2 groups.
    """

    particles: int
    groups: int | None = None

    def __post_init__(self) -> None:
        keep_whole(self, "particles")
        if self.groups is not None:
            keep_whole(self, "groups", least=2)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics."""
        return (f"iwae_{self.particles}",)

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """The metric "iwae_K"; see :meth:`Evidence.metrics`."""
        rowwise = program.latents.rowwise
        rows = row_count(program, args) if rowwise else 1
        groups = self.groups or 1 + -(-FREEDOM // rows)
        chunks = log_mean_weights(program, args, self.particles, groups)
        bounds = torch.cat(list(chunks), dim=1)
        about = joined(note, f"{groups} groups of {self.particles} draws")
        metric = WeightMetric(mean_of_groups)
        return {
            self.names[0]: metric.summarise(*mean_of_groups(bounds), rowwise=rowwise, note=about)
        }
