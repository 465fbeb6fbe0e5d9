"""What an estimator of the evidence is, and how its log-weights make one metric."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.device import device_of
from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric, WeightMetric
from zoo.program import Program
from zoo.sampling.importance_weights import row_count
from zoo.sampling.joint_density import JointDensity

BUDGET = 2**14


class Evidence(ABC):
    """An estimator of log p(x) with draws of its own, apart from the metrics of shared weights."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the metrics that it gives."""

    @abstractmethod
    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """Name -> metric, in nats/row where rows are independent, else in nats.

        Run it inside :func:`zoo.isolation.isolated`.

        Args:
            program: a trained program in eval mode.
            args: arguments of the model, on its device.
            note: what to say first in the metrics' notes.

        Raises:
            ValueError: for a model that it cannot be computed for, with the reason.
        """


def densities(program: Program, args: tuple, chains: int) -> Iterator[JointDensity]:
    """The joint density of one chunk of rows after another, so that memory stays bounded."""
    if not program.latents.rowwise or not program.latents.row_args:
        yield JointDensity(program, args)
        return
    rows = row_count(program, args)
    whole = JointDensity(program, args)
    chunk = max(1, BUDGET // (whole.states * (chains if whole.size else 1)))
    for picked in torch.arange(rows, device=device_of(args)).split(chunk):
        yield JointDensity(program, args, picked)


def summary(log_w: Tensor, *, rowwise: bool, note: str, better: str = "higher") -> Metric:
    """Mean over rows of the log of the mean weight; its error counts that it is low.

    Args:
        log_w: log-weights of independent chains or runs, nats, shape (chains, rows).
        rowwise: are the columns data rows?
        note: of the metric.
        better: of the metric.
    """
    metric = WeightMetric(log_evidence, better=better, logarithm=True)
    return metric.summarise(*log_evidence(log_w), rowwise=rowwise, note=note)


def joined(*notes: str) -> str:
    """The notes that say something."""
    return "; ".join(note for note in notes if note)
