"""Means with their standard errors: over draws, over rows, and over both."""

from torch import Tensor

from zoo.metrics.metric import Metric, PerRow


def mean_of_draws(values: Tensor) -> PerRow:
    """The mean over independent draws and its standard error; (draws, ...) -> (...) each."""
    return values.mean(0), values.std(0) / len(values) ** 0.5


def mean_error(values: Tensor) -> float:
    """The standard error of the mean of independent numbers, (n,): their sd over sqrt(n)."""
    return float(values.std()) / len(values) ** 0.5


def sample_mean(
    values: Tensor, unit: str = "", *, better: str = "", note: str = "", target: float = 0.0
) -> Metric:
    """The mean of independent numbers, (n,), less a target, with its standard error."""
    return Metric(float(values.mean()) - target, mean_error(values), unit, better, note)


def mean_over_rows(
    row_values: PerRow, unit: str = "nats/row", *, better: str = "higher", note: str = ""
) -> Metric:
    """The mean over rows; its standard error is that of the draws, for the given rows.

    Args:
        row_values: each row's value and its standard error, (rows,) each, independent over rows.
        unit: of the metric.
        better: of the metric.
        note: of the metric.
    """
    values, errors = row_values
    return Metric(float(values.mean()), error_over_rows(errors), unit, better, note)


def error_over_rows(errors: Tensor) -> float:
    """The standard error of a mean over rows whose independent errors are given, (rows,)."""
    return float((errors**2).sum().sqrt()) / len(errors)


def mean_over_draws_and_rows(values: Tensor, *, better: str = "", note: str = "") -> Metric:
    """The mean in nats/row; its standard error is that of the draws. Values (draws, rows)."""
    draws, rows = values.shape
    se = float((values.var(0).sum() / draws).sqrt()) / rows
    return Metric(float(values.mean()), se, "nats/row", better, note)


def rows_differ(values: Tensor, rows: str = "rows") -> str:
    """A note with the number of rows and the standard error that their differences cause.

    Args:
        values: the value of each row, (rows,).
        rows: what the rows are called, e.g. "test rows".
    """
    over = mean_error(values) if len(values) > 1 else float("nan")
    return f"{len(values)} {rows}; se over rows {over:.2g}"
