"""Values of single rows of a run: what differences are paired by, and how k-hat is spread.

They are kept in `rows.safetensors` beside the metrics of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes

from zoo.evaluation.evaluate import Metrics
from zoo.files import write_whole
from zoo.metrics.weight_diagnostics import k_hat_threshold
from zoo.results.record import damaged

ROWS_FILE = "rows.safetensors"
MEANS = ("elbo", "iwae_10", "iwae_100", "log_evidence")  # the metric is the mean over rows
KEPT = (*MEANS, "k_hat")
DRAWS = "draws"
GOOD = 0.5  # k-hat below which the weights have a finite variance


@dataclass(frozen=True)
class RowValues:
    """Metrics of each row that was scored.

    Attributes:
        draws: from the guide for each row.
        values: metric -> its value for each row, (rows,); a k-hat that is not defined is NaN.
    """

    draws: int
    values: dict[str, np.ndarray]


def row_values(metrics: Metrics) -> RowValues | None:
    """Those of the rows of a run; None where all rows share one weight, or a latent."""
    kept = {
        name: metrics.by_row[name][0].double().cpu().numpy()
        for name in KEPT
        if name in metrics.by_row
    }
    return RowValues(metrics.draws, kept) if kept else None


def write_row_values(found: RowValues, folder: Path) -> Path:
    """Writes the file into the folder of a run."""
    tensors = {name: torch.from_numpy(values) for name, values in found.values.items()}
    return write_whole(folder / ROWS_FILE, as_bytes(tensors | {DRAWS: torch.tensor(found.draws)}))


def read_row_values(folder: Path) -> RowValues | None:
    """What the folder of a run holds; None without a file.

    Raises:
        ValueError: if the file is damaged.
    """
    path = folder / ROWS_FILE
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        draws = int(tensors.pop(DRAWS))
    except (SafetensorError, KeyError) as error:
        raise damaged(path, f"it holds no values of rows ({error})") from None
    return RowValues(draws, {name: values.numpy() for name, values in tensors.items()})


@dataclass(frozen=True)
class KHatCounts:
    """How many rows have which k-hat; over several seeds a row counts once for each.

    Attributes:
        rows: all of them.
        good: below 0.5, where the weights have a finite variance, or the limit if less.
        fair: from there to the limit, where the estimate of log p(x) still holds.
        poor: above the limit, where it is not to be trusted.
        undefined: without a tail to fit.
        limit: min(1 - 1 / log10(draws), 0.7).
    """

    rows: int
    good: int
    fair: int
    poor: int
    undefined: int
    limit: float

    @property
    def words(self) -> str:
        """The counts as a sentence."""
        parts = [f"{self.good:,} have a k-hat below {min(GOOD, self.limit):.2g}"]
        parts += [f"{self.fair:,} from there to {self.limit:.2f}"] if self.fair else []
        parts += [f"{self.poor:,} above {self.limit:.2f}"] if self.poor else []
        parts += [f"{self.undefined:,} none, for want of a tail"] if self.undefined else []
        said = f"Of {self.rows:,} rows, {', '.join(parts)}."
        if self.poor:
            return f"{said} Do not trust log p(x) of the {self.poor:,}."
        return said


def k_hat_counts(runs: Sequence[RowValues]) -> KHatCounts:
    """Counts over the rows of several seeds of one pair."""
    values = np.concatenate([run.values["k_hat"] for run in runs])
    limit = min(k_hat_threshold(run.draws) for run in runs)
    good = min(GOOD, limit)
    return KHatCounts(
        rows=len(values),
        good=int((values < good).sum()),
        fair=int(((values >= good) & (values <= limit)).sum()),
        poor=int((values > limit).sum()),
        undefined=int(np.isnan(values).sum()),
        limit=limit,
    )
