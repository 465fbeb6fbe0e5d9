"""What a metric of merit is: a number with its Monte Carlo error, its unit and its direction."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from zoo.metrics.shares import share_error

PerRow = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Metric:
    """One metric of merit.

    Attributes:
        value: the estimate.
        se: its Monte Carlo standard error, for the given rows and parameters; 0 if exact.
        unit: "nats/row", "nats", "draws", ...
        better: "higher", "lower" or "" where neither is.
        note: what a reader should know, e.g. on which rows it was taken.
    """

    value: float
    se: float
    unit: str
    better: str = "higher"
    note: str = ""


@dataclass(frozen=True)
class WeightMetric:
    """A metric computed from log importance weights.

    Attributes:
        compute: log-weights (draws, rows) -> value and standard error of each row, both (rows,).
        unit: of the value; "nats" becomes "nats/row" where there are rows.
        better: see :class:`Metric`.
        typical: report the median row instead of the mean over rows.
        logarithm: of a mean over draws. It is low in every row, by no more than about half its
            squared error, and a mean over rows does not average that away: the standard error
            counts all of it.
        share: of rows: the error is that of a share of so many, and 0 for a single weight.
        undefined: why a row may have no value, NaN: such rows are left out; "" where none may.
    """

    compute: Callable[..., PerRow]
    unit: str = "nats"
    better: str = "higher"
    typical: bool = False
    logarithm: bool = False
    share: bool = False
    undefined: str = ""

    def summarise(self, values: Tensor, errors: Tensor, *, rowwise: bool, note: str) -> Metric:
        """The metric over all rows: their mean, or median, with its standard error."""
        rows = len(values)
        error = float((errors**2).sum().sqrt()) / rows
        if self.share and rows > 1:
            error = share_error(float(values.mean()), rows)
        if self.logarithm:
            error = math.hypot(error, float((errors**2).mean()) / 2)
        value = float(values.median() if self.typical else values.mean())
        if self.typical and rows > 1:
            error *= 1.2533  # a median's error over a mean's, for normal errors
        unit = self.unit + "/row" if self.unit == "nats" and rowwise else self.unit
        return Metric(value, error, unit, self.better, note)
