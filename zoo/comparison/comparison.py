"""What a comparison is asked for and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from zoo.checks.arguments import look_up
from zoo.comparison.aggregate import Cell, Row, common_exact, summarise
from zoo.comparison.budget import Curve
from zoo.comparison.held import Held
from zoo.comparison.paired import Difference, differences
from zoo.comparison.pictures import bound_figure, curve_of, image_figure
from zoo.comparison.report import Material, not_in_table, write_report
from zoo.comparison.row_values import row_values
from zoo.comparison.table import by_reason, comparison_table, dataframe
from zoo.data.fingerprint import fingerprint_of
from zoo.evaluation.evaluate import Metrics
from zoo.evaluation.scored_fit import trains_model
from zoo.figure_style import png, shown_once
from zoo.objectives import Objective
from zoo.provenance import provenance
from zoo.results.encoding import encode
from zoo.results.result import Fit
from zoo.results.shown import loss_rows
from zoo.task import Task
from zoo.training.settings import Request

if TYPE_CHECKING:
    from pandas import DataFrame

# What all fits of a comparison have in common; the objective and the seed vary.
COMMON_SETTINGS = [f.name for f in fields(Request) if f.name not in ("objective", "seed")]


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        task: what was compared on.
        rows: one for each run.
        fits: run name -> fit.
        mismatches: "guide x objective" -> why the pair does not go together.
        curves: the ELBO of each run on its way, where a budget was given.
        scored: run name -> its metrics, where it was scored here.
        unfinished: run name -> how far it is; these are in no table.
        interrupted: did Ctrl-C end the comparison?
        settings: what it was asked for, as `results.json` has it.
        held: the fit whose trained model all guides were compared under; None where each trained
            a model of its own, or where it has no parameters.
        fixed: says which model was held fixed, for people; "" where each trained its own.
    """

    task: Task
    rows: list[Row]
    fits: dict[str, Fit]
    mismatches: dict[str, str]
    curves: list[Curve] = field(default_factory=list)
    scored: dict[str, Metrics] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    settings: dict[str, object] = field(default_factory=dict)
    held: Fit | None = None
    fixed: str = ""

    @property
    def table(self) -> Table:
        """A line for each pair of guide and objective, over seeds, for rich or `print`."""
        return comparison_table(
            self.rows, self.exact, self.title, learns=self.learns, fixed=self.fixed
        )

    @property
    def title(self) -> str:
        """Model and data."""
        data = self.task.data
        binarized = "" if data.binarize == "none" else f" ({data.binarize})"
        return f"{self.task.name} on {data.name}{binarized}"

    def to_dataframe(self) -> "DataFrame":
        """A line for each run: what it was, every metric with its error, and the verdict."""
        return dataframe(self.rows)

    def differences(self, metric: str = "elbo") -> list[Difference]:
        """The difference of every two pairs, paired by seed and by row; see :mod:`paired`.

        Args:
            metric: its name.

        Raises:
            ValueError: for a metric that no run has.
        """
        look_up("metric", metric, {name: None for row in self.rows for name in row.metrics})
        return differences(self.rows, metric)

    def plot(self) -> Figure:
        """The bounds of each pair on one line, up to the estimate of log p(x)."""
        return shown_once(bound_figure(summarise(self.rows), self.exact))

    def report(self, path: str | Path) -> Path:
        """Writes one HTML page with everything: see :mod:`zoo.comparison.report`.

        Args:
            path: of the file.

        Raises:
            ValueError: if no run is whole.
        """
        return write_report(material_of(self), path)

    def __str__(self) -> str:
        """The table, and what is not in it."""
        table = self.table
        width = Console(width=1000).measure(table).maximum  # no cell is broken over lines
        console = Console(width=max(100, width), file=StringIO(), record=True)
        if self.rows:
            console.print(table)
        for name, why in by_reason(self.left).items():
            console.print(f"{name}: {why}", highlight=False)
        return console.export_text()

    __repr__ = __str__

    @property
    def learns(self) -> bool:
        """Did the runs train parameters of the model, so that each has another model?"""
        return any(trains_model(result) for result in self.fits.values())

    @property
    def said(self) -> dict[str, object]:
        """What `results.json` says besides the runs."""
        return {
            "title": self.title,
            "held": self.fixed,
            "learns": self.learns,
            "loss_rows": next((loss_rows(result) for result in self.fits.values()), 1),
            "mismatches": self.mismatches,
            "unfinished": self.unfinished,
        }

    @property
    def left(self) -> dict[str, str]:
        """Run or pair -> why it is not in the table."""
        return not_in_table(self.rows, self.mismatches, self.unfinished)

    @property
    def exact(self) -> Cell | None:
        """The exact log evidence, where it is the same number for every run."""
        return common_exact(self.rows)


def material_of(found: Comparison) -> Material:
    """What a report on a comparison in memory is made from."""
    images = {name: image_figure(result) for name, result in found.fits.items()}
    fits = [(row, found.fits[row.name]) for row in found.rows]
    devices = ", ".join(sorted({str(result.device) for _, result in fits}))
    return Material(
        title=found.title,
        held=found.fixed,
        rows=found.rows,
        exact=found.exact,
        losses=[curve_of(result, row.guide, row.objective) for row, result in fits],
        images={name: png(picture) for name, picture in images.items() if picture is not None},
        left=found.left,
        learns=found.learns,
        record=provenance(found.task.data) | {"device": devices},
    )


@dataclass(frozen=True)
class Asked:
    """What a comparison was asked for; runs of another cannot stand beside its own.

    Attributes:
        guides: name -> guide.
        objectives: name -> objective.
        seeds: number of seeds.
        draws: draws for scoring; None for what is usual.
        budget: evaluations of f in each run; None where the number of steps is given.
        device: "auto", "cpu" or "cuda".
        request: all other settings of the fits; its objective and seed do not count.
        model_kwargs: keyword arguments of the model.
        held: what is held fixed; None where every run trains a model of its own.
    """

    guides: dict[str, Callable]
    objectives: dict[str, Objective]
    seeds: int
    draws: int | None
    budget: int | None
    device: str
    request: Request
    model_kwargs: dict[str, object]
    held: Held | None

    def record(self, task: Task) -> dict:
        """The same with model and data, for `results.json`."""
        parts, data = task.parts.given, task.data
        names = {"name": data.name, "seed": data.seed, "binarize": data.binarize}
        settings = {name: getattr(self.request, name) for name in COMMON_SETTINGS}
        settings |= {"seeds": self.seeds, "draws": self.draws, "budget": self.budget}
        settings |= {"device": self.device, "guides": list(self.guides)}
        settings |= {"held": None if self.held is None else self.held.record()}
        settings |= {"model_kwargs": fingerprint_of(self.model_kwargs)}
        return {
            "model": task.name,
            "parts": {name: encode(value) for name, value in parts.items()},
            "data": names | {"hash": data.hash},
            "objectives": {name: encode(value) for name, value in self.objectives.items()},
            **{name: encode(value) for name, value in settings.items()},
        }


def row_of(result: Fit, metrics: Metrics, guide: str, objective: str) -> Row:
    """The line of one run in `results.json`."""
    return Row(
        model=result.task.name,
        data=result.task.data.name,
        guide=guide,
        objective=objective,
        seed=result.settings.seed,
        steps=len(result.losses),
        seconds=result.seconds,
        backend=result.backend,
        stopped=result.stopped,
        metrics=dict(metrics),
        skipped=metrics.skipped,
        verdict=metrics.verdict,
        answers=metrics.answers.questions,
        by_row=row_values(metrics),
    )
