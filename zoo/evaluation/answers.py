"""What an answer of the verdict is, and how metrics are read with their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.metrics import Metric

YES, NO, UNSURE = "yes", "no", "cannot tell"
LIKELY, SURE = 2.0, 3.0  # standard errors: to be within a limit, or to be accused
GIVES = {  # what to ask for -> a metric that it gives
    "weights": "k_hat",
    "exact": "gap",
    "posterior": "posterior_mean_error",
    "psis": "psis_mean_shift",
    "from_prior": "smc_mean_shift",
    "ais": "ais",
    "smc": "smc",
}

Found = Mapping[str, Metric]
Skipped = Mapping[str, str]  # name -> why it could not be computed


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        answer: "yes", "no" or "cannot tell".
        reason: the numbers behind it, in one line.
        ask: what may settle it: an argument of :func:`zoo.evaluate` or :func:`zoo.fit`, never a
            metric that could not be computed, or what else to do; "" if there is nothing.
    """

    answer: str
    reason: str
    ask: str = ""

    def __str__(self) -> str:
        verb = "add" if self.ask.startswith("metrics=") else "try"
        more = f"; {verb} {self.ask}" if self.ask else ""
        return f"{self.answer}: {self.reason}{more}"


def untried(names: Sequence[str], found: Found, skipped: Skipped) -> str:
    """Those to ask for that were neither computed nor found impossible; "" if none is left."""
    left = [name for name in names if GIVES[name] not in found and GIVES[name] not in skipped]
    return f"metrics={left}" if left else ""


def low(metric: Metric, errors: float = LIKELY) -> float:
    """The value less so many standard errors."""
    return metric.value - errors * metric.se


def high(metric: Metric, errors: float = LIKELY) -> float:
    """The value plus so many standard errors."""
    return metric.value + errors * metric.se


def shown(metric: Metric) -> str:
    """Value and error, to three and to one digit."""
    return f"{metric.value:.3g} +- {metric.se:.1g}"


def difference(first: Metric, second: Metric) -> Metric:
    """The difference, with the errors of both as if they were independent."""
    se = (first.se**2 + second.se**2) ** 0.5
    return Metric(first.value - second.value, se, first.unit, "lower")
