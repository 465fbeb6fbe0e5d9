"""Metrics of log importance weights: one value for each row, and one number for all rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from zoo.metrics.means import error_over_rows
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.shares import share_error

MEDIAN_OVER_MEAN = 1.2533  # standard error of a median over that of a mean, for normal values


@dataclass(frozen=True)
class WeightMetric:
    """A metric computed from log importance weights.

    Attributes:
        compute: log-weights (draws, rows) -> value and standard error of each row, (rows,) each.
        unit: of the value; "nats" becomes "nats/row" where there are rows.
        better: see :class:`zoo.metrics.metric.Metric`.
        typical: report the median over rows instead of their mean.
        bias: the logarithm of a mean over draws is too low on average in every row, by up to
            about this share of its squared error. A mean over rows does not average that bias
            away, so the standard error includes all of it.
        share: is the value 1 or 0, so that the mean over rows is a share of them? The error is
            then binomial, and 0 for a single weight.
        undefined: why the value of a row may be NaN; such rows are left out. "" where none may.
    """

    compute: Callable[..., PerRow]
    unit: str = "nats"
    better: str = "higher"
    typical: bool = False
    bias: float = 0.0
    share: bool = False
    undefined: str = ""

    def summarise(self, values: Tensor, errors: Tensor, *, rowwise: bool, note: str) -> Metric:
        """The mean over all rows, or their median, with its standard error."""
        rows = len(values)
        error = error_over_rows(errors)
        if self.share and rows > 1:
            error = share_error(float(values.mean()), rows)
        if self.bias:
            error = math.hypot(error, self.bias * float((errors**2).mean()))
        value = float(values.median() if self.typical else values.mean())
        if self.typical and rows > 1:
            error *= MEDIAN_OVER_MEAN
        unit = self.unit + "/row" if self.unit == "nats" and rowwise else self.unit
        return Metric(value, error, unit, self.better, note)
