"""The folder of a comparison: every run whole as it ends, and what is needed to go on.

`results.json` has the settings, a row for each run that is whole, and what is unfinished.
`runs/GUIDE-OBJECTIVE-seedN` is a run: fit.json and its state, metrics.json, rows.safetensors
(values of single rows), arviz.nc, images.png. `model` is the fit whose model all guides are held
to, where the comparison trained one. `training` has checkpoints of what is still training,
`losses.png` and `budget.png` show all runs, and `tensorboard` has a log of each, where that was
asked for. Each picture is there as PNG and as SVG.
"""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from zoo.arviz_compat import write_netcdf
from zoo.comparison.aggregate import Row, record_of
from zoo.comparison.arviz_export import arviz_groups
from zoo.comparison.budget import Curve, budget_picture
from zoo.comparison.pictures import curve_of, image_figure, loss_figure
from zoo.comparison.row_values import read_row_values, row_values, write_row_values
from zoo.data import Data
from zoo.evaluation.evaluate import Metrics, metrics_record
from zoo.figure_style import save_figure
from zoo.files import usable_folder, write_whole
from zoo.metrics import Metric
from zoo.provenance import provenance
from zoo.results.record import damaged, with_checksum
from zoo.results.request import refuse_other
from zoo.results.result import Fit
from zoo.training.checkpoint import save

RESULTS, RUNS, TRAINING, MODEL = "results.json", "runs", "training", "model"
TENSORBOARD = "tensorboard"
NEEDED = ("title", "held", "learns", "loss_rows", "rows", "mismatches", "unfinished", "settings")
LOSSES, IMAGES, REPORT = "losses.png", "images.png", "report.html"
VECTORS = ("losses.svg", "images.svg", "budget.svg")  # each beside the PNG of its name
OF_A_FIT = ("metrics.json", LOSSES, IMAGES, *VECTORS, "arviz.nc")  # beside the fit itself
WAY_OUT = "Pass --resume to go on, --force to replace what the zoo wrote, or name another folder."
OF_A_COMPARISON = (RESULTS, LOSSES, REPORT, "budget.png", "*-seed*.nc", "*-seed*.png")


class Folder:
    """Where a comparison is written.

    Args:
        path: the folder; it is made, and tried.
        settings: what was asked for.
    """

    def __init__(self, path: str | Path, settings: dict) -> None:
        self.path, self.settings = usable_folder(path, "--out"), settings
        self.device = set[str]()

    @property
    def begun(self) -> bool:
        """Is there a comparison already?"""
        return (self.path / RESULTS).exists()

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.path / RUNS / name

    @property
    def model(self) -> Path:
        """The folder of the fit whose model is held fixed, where the comparison trains it."""
        return self.path / MODEL

    def training(self, name: str) -> Path:
        """The folder of the checkpoints of a pair or a run."""
        return self.path / TRAINING / name

    def read(self) -> tuple[list[Row], list[Curve]]:
        """The runs that are whole.

        Raises:
            ValueError: if the file is damaged, or the comparison was made with other settings.
        """
        record = read_record(self.path)
        refuse_other(record["settings"], self.settings, f"The comparison in {self.path}")
        self.device = set(filter(None, record["device"].split(", ")))
        curves = [_curve(curve) for curve in record.get("curves", [])]
        return rows_of(record, self.path), curves

    def write_run(self, name: str, result: Fit, metrics: Metrics | None) -> None:
        """Writes a run that came to its end, each file whole."""
        folder = save(result, self.run(name))
        if metrics is not None:
            text = json.dumps(metrics_record(metrics), indent=2)
            write_whole(folder / "metrics.json", text)
            values = row_values(metrics)
            if values is not None:
                write_row_values(values, folder)
        write_netcdf(arviz_groups(result, metrics), folder / "arviz.nc")
        picture = image_figure(result)
        if picture is not None:
            save_figure(picture, folder / IMAGES)
        self.device.add(str(result.device))

    def write_results(
        self,
        data: Data,
        rows: list[Row],
        curves: list[Curve],
        **said: object,
    ) -> None:
        """Writes `results.json` anew.

        Args:
            data: what was compared on.
            rows: the runs that are whole.
            curves: of runs with a budget.
            **said: what :attr:`zoo.Comparison.said` has.
        """
        record = provenance(data) | {
            "settings": self.settings,
            "rows": [record_of(row) for row in rows],
            **said,
        }
        if curves:
            record["curves"] = [asdict(curve) for curve in curves]
        record["device"] = ", ".join(sorted(self.device))
        write_whole(self.path / RESULTS, with_checksum(record))

    def draw(self, fits: dict[str, Fit], rows: list[Row], curves: list[Curve]) -> None:
        """Draws the pictures over all runs."""
        if fits:
            found = [curve_of(fits[row.name], row.guide, row.objective) for row in rows]
            save_figure(loss_figure(found), self.path / LOSSES)
        if curves:
            budget_picture(curves, self.path / "budget.png")

    def drop_training(self, name: str) -> None:
        """Removes the checkpoints of what is whole."""
        shutil.rmtree(self.training(name), ignore_errors=True)
        if self.begun and not any((self.path / TRAINING).glob("*")):
            shutil.rmtree(self.path / TRAINING, ignore_errors=True)


def read_record(folder: Path) -> dict:
    """The contents of `results.json`.

    Raises:
        ValueError: if the file is damaged, no record of a comparison, or of an earlier version.
    """
    path = folder / RESULTS
    try:
        text = path.read_bytes().decode()
        record = json.loads(text)
        body = {name: part for name, part in record.items() if name != "sha256"}
    except (UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise damaged(path, f"it is no record of a comparison ({error})") from None
    if with_checksum(body) != text:
        raise damaged(path, "its checksum is not that of its contents")
    missing = [name for name in NEEDED if name not in record]
    if missing or "held" not in record["settings"]:
        raise ValueError(
            f"The comparison in {folder} was written by an earlier version of the zoo: {RESULTS} "
            f"lacks {', '.join(missing) or 'settings'}. Run it again with --force, or elsewhere."
        )
    return record


def rows_of(record: dict, folder: Path) -> list[Row]:
    """The runs of a record that are whole, with the values of single rows from their folders.

    Raises:
        ValueError: if those are damaged.
    """
    found = [Row(**(row | {"metrics": metrics_of(row["metrics"])})) for row in record["rows"]]
    return [replace(row, by_row=read_row_values(folder / RUNS / row.name)) for row in found]


def clear(folder: Path) -> None:
    """Removes what the zoo has written to a folder, and nothing else."""
    for pattern in ("fit.json", "state-*.safetensors", *OF_A_FIT, *OF_A_COMPARISON):
        for path in folder.glob(pattern):
            path.unlink()
    for name in (RUNS, TRAINING, MODEL, TENSORBOARD):
        shutil.rmtree(folder / name, ignore_errors=True)


def metrics_of(record: dict[str, dict]) -> dict[str, Metric]:
    """Metrics from their record."""
    return {name: Metric(**values) for name, values in record.items()}


def _curve(record: dict) -> Curve:
    lists = {name: tuple(part) for name, part in record.items() if isinstance(part, list)}
    return Curve(**(record | lists))
