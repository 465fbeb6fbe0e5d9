"""What a comparison is asked for and what it finds."""

from dataclasses import dataclass, field, fields

from zoo.comparison.aggregate import Cell, Row, summarise
from zoo.comparison.budget import Curve
from zoo.evaluation.evaluate import Metrics
from zoo.results.encoding import encode
from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.settings import Request

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
    """

    task: Task
    rows: list[Row]
    fits: dict[str, Fit]
    mismatches: dict[str, str]
    curves: list[Curve] = field(default_factory=list)
    scored: dict[str, Metrics] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def exact(self) -> Cell | None:
        """The exact log evidence, where it is the same number for every run."""
        cells = [summary.cells.get("exact_log_evidence") for summary in summarise(self.rows)]
        same = cells and all(c and c.value == cells[0].value for c in cells)  # type: ignore[union-attr]
        return cells[0] if same else None


@dataclass(frozen=True)
class Asked:
    """What a comparison was asked for; runs of another cannot stand beside its own.

    Attributes:
        guides: names.
        objectives: names.
        seeds: number of seeds.
        draws: draws for scoring; None for what is usual.
        budget: evaluations of f in each run; None where the number of steps is given.
        device: "auto", "cpu" or "cuda".
        request: all other settings of the fits; its objective and seed do not count.
    """

    guides: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: int
    draws: int | None
    budget: int | None
    device: str
    request: Request

    def record(self, task: Task) -> dict:
        """The same with model and data, for `results.json`."""
        parts, data = task.parts.given, task.data
        names = {"name": data.name, "seed": data.seed, "binarize": data.binarize}
        settings = {name: getattr(self.request, name) for name in COMMON_SETTINGS}
        for own in fields(self):
            if own.name != "request":
                settings[own.name] = getattr(self, own.name)
        return {
            "model": task.name,
            "parts": {name: encode(value) for name, value in parts.items()},
            "data": names | {"hash": data.hash},
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
    )
