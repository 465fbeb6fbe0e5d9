"""The gaps of each row of a split, and their means with notes on what makes them doubtful."""

from dataclasses import dataclass

from zoo.metrics.means import mean_over_rows, rows_differ
from zoo.metrics.metric import Metric, PerRow, joined


@dataclass(frozen=True)
class RowGaps:
    """The gaps on the rows of one split; every tensor is per row, in nats, with its error.

    Attributes:
        split: "train" or "test".
        log_evidence: log p(x) and its Monte Carlo standard error, (rows,) each.
        exact: is log p(x) exact? Otherwise it is estimated by importance sampling with the draws
            of the guide whose bound is best for the row. The expectation of the estimate, and of
            the gaps computed from it, is too low.
        amortised: the bound of the fit's own guide.
        local: family -> the bound of its best q for each row.
        steps: family -> number of steps of its optimisation.
        settled: family -> did its bound stop improving before the limit of steps?
        k_hat_share: share of rows whose importance weights cannot be trusted.
        k_hat_limit: the k-hat above which they cannot.
    """

    split: str
    log_evidence: PerRow
    exact: bool
    amortised: PerRow
    local: dict[str, PerRow]
    steps: dict[str, int]
    settled: dict[str, bool]
    k_hat_share: float
    k_hat_limit: float

    def approximation(self, family: str) -> PerRow:
        """Log p(x) minus the family's best local bound: the loss due to the family."""
        return _difference(self.log_evidence, self.local[family])

    def amortisation(self, family: str) -> PerRow:
        """The family's best local bound minus the fit's bound: the loss due to the encoder.

        That is its meaning for the family of the fit's own guide. For a family that is less
        flexible it may be negative.
        """
        return _difference(self.local[family], self.amortised)

    def inference(self) -> PerRow:
        """Log p(x) minus the fit's bound: the sum of the other two gaps."""
        return _difference(self.log_evidence, self.amortised)

    def per_row(self) -> dict[str, PerRow]:
        """Every gap by name: "inference", "approximation/FAMILY", "amortisation/FAMILY"."""
        found = {"inference": self.inference()}
        found |= {f"approximation/{name}": self.approximation(name) for name in self.local}
        return found | {f"amortisation/{name}": self.amortisation(name) for name in self.local}

    def metrics(self) -> dict[str, Metric]:
        """Means over rows; the standard errors are those of the draws, for the given rows.

        The note gives the standard error over rows, and what makes a gap doubtful; see
        :meth:`doubts`.
        """
        return {name: self._mean(name, gap) for name, gap in self.per_row().items()}

    def _mean(self, name: str, gap: PerRow) -> Metric:
        note = joined(rows_differ(gap[0], f"{self.split} rows"), *self.doubts(name))
        return mean_over_rows(gap, better="lower", note=note)

    def doubts(self, name: str) -> list[str]:
        """What makes a gap doubtful: heavy-tailed weights, a local q that was still improving."""
        kind, _, family = name.partition("/")
        found = []
        if kind != "amortisation" and self.k_hat_share > 0:
            share = f"{100 * self.k_hat_share:.3g} % of rows"
            found += [f"k-hat above {self.k_hat_limit:.2f} for {share}: log p(x) is a lower bound"]
        if family and not self.settled[family]:
            found += [f"local q of {family} not settled after {self.steps[family]} steps"]
        return found


def _difference(first: PerRow, second: PerRow) -> PerRow:
    return first[0] - second[0], (first[1] ** 2 + second[1] ** 2).sqrt()
