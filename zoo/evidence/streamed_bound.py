"""The importance-weighted bound with very many particles, whose weights are never all in memory.

Source: Burda, Grosse & Salakhutdinov 2016, who report K = 5000.
"""

from dataclasses import dataclass

import torch

from zoo.checks.arguments import keep_whole
from zoo.evidence.estimator import Evidence
from zoo.metrics.means import mean_of_draws
from zoo.metrics.metric import Metric, joined
from zoo.metrics.weight_metric import WeightMetric
from zoo.program import Program
from zoo.sampling.importance_weights import log_mean_weights, row_count

DEGREES_OF_FREEDOM = 20  # at least, of the standard error


@dataclass(frozen=True)
class StreamedBound(Evidence):
    """The mean over groups of log(1/K sum_k w_k); each group has K draws of its own.

    Attributes:
        particles: K.
        groups: number of groups for each row; None for 2, or more if there are below 20 rows.

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
        """The one metric's name, "iwae_K"."""
        return (f"iwae_{self.particles}",)

    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """The metric "iwae_K"; see :meth:`Evidence.metrics`."""
        rowwise = program.latents.rowwise
        rows = row_count(program, args) if rowwise else 1
        groups = self.groups or 1 + -(-DEGREES_OF_FREEDOM // rows)
        chunks = log_mean_weights(program, args, self.particles, groups)
        bounds = torch.cat(list(chunks), dim=1)
        about = joined(note, f"{groups} groups of {self.particles} draws")
        metric = WeightMetric(mean_of_draws)
        found = metric.summarise(*mean_of_draws(bounds), rowwise=rowwise, note=about)
        return {self.names[0]: found}
