"""The interface of an estimator of log p(x), and how its log-weights become one metric."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.device import device_of
from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric
from zoo.metrics.weight_metric import WeightMetric
from zoo.program import Program
from zoo.sampling.importance_weights import row_count, some_rows
from zoo.sampling.joint_density import JointDensity
from zoo.sampling.weighable import require_prior

MOST_CHAINS_AT_ONCE = 2**14  # chains times rows times discrete states


class Evidence(ABC):
    """An estimator of log p(x) that makes its own draws, and does not use the guide's weights."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the metrics that it computes."""

    @abstractmethod
    def metrics(self, program: Program, args: tuple, note: str) -> dict[str, Metric]:
        """Name -> metric, in nats/row where rows are independent, else in nats.

        Call it inside :func:`zoo.isolation.isolated`.

        Args:
            program: a trained program in eval mode.
            args: arguments of the model, on its device.
            note: put in front of the metrics' own notes.

        Raises:
            ValueError: if it cannot be computed for the model, with the reason.
        """


def densities(program: Program, args: tuple, chains: int) -> Iterator[JointDensity]:
    """The joint density of each chunk of rows in turn, so that memory stays bounded."""
    require_prior(program, *some_rows(program, args))
    if not program.latents.rowwise or not program.latents.row_args:
        yield JointDensity(program, args)
        return
    rows = row_count(program, args)
    whole = JointDensity(program, args)
    chunk = max(1, MOST_CHAINS_AT_ONCE // (whole.states * (chains if whole.size else 1)))
    for picked in torch.arange(rows, device=device_of(args)).split(chunk):
        yield JointDensity(program, args, picked)


def summary(log_w: Tensor, *, rowwise: bool, note: str, better: str = "higher") -> Metric:
    """Mean over rows of the log of the mean weight; its error includes that it is biased down.

    Args:
        log_w: log-weights of independent chains or runs, nats, shape (chains, rows).
        rowwise: are the columns data rows?
        note: of the metric.
        better: of the metric.
    """
    metric = WeightMetric(log_evidence, better=better, bias=0.5)
    return metric.summarise(*log_evidence(log_w), rowwise=rowwise, note=note)
