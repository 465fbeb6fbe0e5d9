"""The gaps of every row of a split, and their means with what makes them doubtful."""

from dataclasses import dataclass, replace

from zoo.evidence.estimator import joined
from zoo.metrics.metric import Metric, PerRow


@dataclass(frozen=True)
class RowGaps:
    """The gaps on the rows of one split; every tensor is per row, in nats, with its error.

    Attributes:
        split: "train" or "test".
        log_evidence: log p(x) and its Monte Carlo standard error, (rows,) each.
        exact: is log p(x) known exactly? Else it is importance-sampled with the draws of the
            guide that has the row's best bound; it lies below the truth in expectation, and so
            do the gaps from it.
        amortised: the bound of the fit's own guide.
        local: family -> the bound of its best q for each row.
        steps: family -> steps until the bound stopped improving.
        settled: family -> did it, before the limit?
        k_hat_share: share of rows whose importance weights are not to be trusted.
        k_hat_limit: the k-hat above which they are not.
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
        """Log p(x) minus the family's best local bound: what the family cannot express."""
        return _difference(self.log_evidence, self.local[family])

    def amortisation(self, family: str) -> PerRow:
        """The family's best local bound minus the fit's: what the shared encoder loses.

        It means that for the family of the fit's own guide; for a poorer one it may be negative.
        """
        return _difference(self.local[family], self.amortised)

    def inference(self) -> PerRow:
        """Log p(x) minus the fit's bound: the sum of the two."""
        return _difference(self.log_evidence, self.amortised)

    def per_row(self) -> dict[str, PerRow]:
        """Every gap by name: "inference", "approximation/FAMILY", "amortisation/FAMILY"."""
        found = {"inference": self.inference()}
        found |= {f"approximation/{name}": self.approximation(name) for name in self.local}
        return found | {f"amortisation/{name}": self.amortisation(name) for name in self.local}

    def metrics(self) -> dict[str, Metric]:
        """Means over rows; standard errors for these rows, with that over rows in the note.

        The note also says what makes a gap doubtful; see :meth:`doubts`.
        """
        found = {name: _mean(gap, self.split) for name, gap in self.per_row().items()}
        return {
            name: replace(metric, note=joined(metric.note, *self.doubts(name)))
            for name, metric in found.items()
        }

    def doubts(self, name: str) -> list[str]:
        """What makes the gap of that name doubtful: bad weights, a local q that still improved."""
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


def _mean(gap: PerRow, split: str) -> Metric:
    values, errors = gap
    se = float((errors**2).sum().sqrt()) / len(values)
    over_rows = float(values.std()) / len(values) ** 0.5
    note = f"{len(values)} {split} rows; se over rows {over_rows:.2g}"
    return Metric(float(values.mean()), se, "nats/row", "lower", note)
