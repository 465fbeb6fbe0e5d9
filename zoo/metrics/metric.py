"""A metric: a number with its standard error, its unit and its direction."""

import math
from dataclasses import dataclass, replace

from torch import Tensor

PerRow = tuple[Tensor, Tensor]  # a value and its standard error for each row, (rows,) each


@dataclass(frozen=True)
class Metric:
    """A number that says how good a fit is, with its standard error.

    Attributes:
        value: the estimate.
        se: its Monte Carlo standard error, for the given rows and parameters; 0 if exact.
        unit: "nats/row", "nats", "draws", ...
        better: "higher", "lower" or "" where neither is.
        note: what a reader should know, e.g. on which rows it was computed.
    """

    value: float
    se: float
    unit: str
    better: str = "higher"
    note: str = ""

    def low(self, errors: float = 2.0) -> float:
        """The value minus two standard errors, or minus as many as given."""
        return self.value - errors * self.se

    def high(self, errors: float = 2.0) -> float:
        """The value plus two standard errors, or plus as many as given."""
        return self.value + errors * self.se

    def noted(self, *notes: str) -> "Metric":
        """The same metric with these notes in front of its own."""
        return replace(self, note=joined(*notes, self.note))


def difference(first: Metric, second: Metric) -> Metric:
    """The first metric minus the second; the error supposes that the two are independent."""
    se = math.hypot(first.se, second.se)
    return Metric(first.value - second.value, se, first.unit, "lower")


def joined(*notes: str) -> str:
    """The notes that are not empty, as one note."""
    return "; ".join(note for note in notes if note)


def plus_minus(value: float, se: float, *, digits: int | None = None) -> str:
    """A value and its standard error as text, e.g. "1.23 ± 0.04".

    Args:
        value: the value.
        se: its standard error.
        digits: digits after the point; None shows two significant digits of the error, and the
            value as far.
    """
    if digits is not None:
        return f"{value:.{digits}f} ± {se:.{digits}f}"
    if not se > 0:
        return f"{value:.3g}"
    power = math.floor(math.log10(max(abs(value), se)))
    if -3 <= power < 5:
        return plus_minus(value, se, digits=max(0, 1 - math.floor(math.log10(se))))
    scale, places = 10**power, max(0, power - math.floor(math.log10(se)) + 1)
    return f"({value / scale:.{places}f} ± {se / scale:.{places}f})e{power}"
