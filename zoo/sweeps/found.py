"""What a sweep found: every setting with its score, the best one, and its metrics on test rows."""

import math
from dataclasses import asdict, dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from zoo.comparison.aggregate import Cell, Row, over_seeds
from zoo.comparison.table import COLUMNS, OF_A_RUN, dataframe, shown
from zoo.metrics import Metric
from zoo.results.result import Fit
from zoo.sweeps.chosen import SHARED, Chooser
from zoo.sweeps.command import command_of
from zoo.sweeps.grid import Setting
from zoo.sweeps.scores import Score, scores_of
from zoo.task import Task

if TYPE_CHECKING:
    from pandas import DataFrame

PREDICTED = "log_predictive"  # of test rows, given shared latents


@dataclass
class Sweep:
    """What a sweep found.

    Attributes:
        task: what was fitted.
        settings: what was tried.
        seeds: with how many seeds each.
        metric: the score, of which higher is better.
        chooser: the rows that the score is of.
        common: settings that all runs have.
        device: where the runs were taken.
        rows: name of a run -> its line; its metrics are those of the rows that choose.
        unfinished: name of a run -> how far it is, where Ctrl-C ended the sweep.
        failed: name of a run -> the error that it raised; the same call takes it again.
        mismatches: "guide x objective" -> why the pair does not go together.
        interrupted: did Ctrl-C end the sweep?
        fits: of the best setting, one for each seed.
        tested: of these, the metrics on test rows, or of the training data where rows share
            latents.
        kept: number of runs that were whole in the folder before.
    """

    task: Task
    settings: list[Setting]
    seeds: int
    metric: str
    chooser: Chooser
    common: dict[str, Any]
    device: str
    rows: dict[str, Row] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    mismatches: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    fits: list[Fit] = field(default_factory=list, repr=False)
    tested: list[Row] = field(default_factory=list, repr=False)
    kept: int = 0

    @property
    def scores(self) -> list[Score]:
        """Every setting with its score, the highest first."""
        return scores_of(self.settings, self.rows, self.failed, self.seeds, self.metric)

    @property
    def highest(self) -> float:
        """The highest mean score so far; NaN while no setting has all its runs."""
        value = self.scores[0].value
        return math.nan if value is None else value.value

    @property
    def best(self) -> Setting | None:
        """The setting of the highest mean score, of those that have one under every seed.

        None while runs are missing, and where no setting has one.
        """
        missing = self.interrupted or self.unfinished
        first = self.scores[0]
        return None if missing or first.value is None else first.setting

    @property
    def test(self) -> dict[str, Cell]:
        """Metric -> its mean over the seeds of the best setting, with its error."""
        found = {name: self._tested(name) for name in (*COLUMNS, PREDICTED)}
        return {name: over_seeds(own) for name, own in found.items() if 0 < len(own) == self.seeds}

    def _tested(self, name: str) -> list[Metric]:
        return [row.metrics[name] for row in self.tested if name in row.metrics]

    @property
    def command(self) -> str:
        """The command that repeats the best setting with the first seed; "" without a best."""
        if self.best is None:
            return ""
        return command_of(self.task, self.best, self.common, self.device)

    @property
    def table(self) -> Table:
        """A line for each setting, the best first, for rich or `print`."""
        unit = next((s.value.unit for s in self.scores if s.value is not None), "")
        varied = list(self.settings[0].values)
        title = f"{self.task.name} on {self.task.data.name}: {self.metric} on {self.chooser.where}"
        view = Table(title=title, caption=self._caption, caption_justify="left")
        for heading in ("guide", "objective", *varied):
            view.add_column(heading.replace("_", " "), overflow="fold")
        view.add_column(f"{self.metric}\n[dim]{unit}[/dim]", justify="right")
        view.add_column("behind the best\n[dim]paired by seed[/dim]", justify="right")
        view.add_column("ends")
        view.add_column("a fit\n[dim]seconds[/dim]", justify="right")
        for score in self.scores:
            behind = "" if score.setting == self.best else shown(score.behind)
            labels = score.setting.labels.values()
            seconds = f"{score.seconds:.1f}" if score.rows else "-"
            cells = (shown(score.value), behind, score.ends, seconds)
            style = "bold" if score.setting == self.best else ""
            pair = (score.setting.guide, score.setting.objective)
            view.add_row(*pair, *labels, *cells, style=style)
        return view

    @property
    def _caption(self) -> str:
        if self.seeds == 1:
            return "± is the error of the draws alone: one seed does not show how training varies."
        return f"± is the standard error over {self.seeds} seeds."

    @property
    def sentences(self) -> list[str]:
        """Which setting is the best, which rows chose it, and what it is worth on test rows."""
        best, score = self.best, self.scores[0]
        if best is None or score.value is None:
            return [self._no_choice()]
        highest = f"the highest mean {self.metric} over {_count(self.seeds, 'seed')}"
        value = f"{shown(score.value)} {score.value.unit}"
        said = [f"Chosen: {best}, for {highest}, {value}, on {self.chooser.where}."]
        said += [SHARED] if self.chooser.split == "train" else []
        return said + self._about_others() + self._about_test()

    def _no_choice(self) -> str:
        if self.interrupted or self.unfinished:
            return "Nothing is chosen before all runs have ended; go on with the same command."
        return (
            f"Nothing is chosen: no setting has an {self.metric} under every seed. "
            f"{next((w for r in self.rows.values() for w in r.skipped.values()), '')}".strip()
        )

    def _about_others(self) -> list[str]:
        """Settings that chance may have put behind the best, and values at the edge."""
        best, *others = self.scores
        near, said = [str(one.setting) for one in others if one.near], list[str]()
        if near:
            more = f" and {len(near) - 2} more" if len(near) > 3 else ""
            listed = "; ".join(near[:2] if more else near)
            said.append(f"Within two standard errors of it: {listed}{more}.")
        for name, value in best.setting.values.items():
            tried = {setting.values[name] for setting in self.settings}
            numbers = all(isinstance(one, int | float) for one in tried)
            if numbers and len(tried) > 1 and value in (min(tried), max(tried)):
                more = "larger" if value == max(tried) else "smaller"
                said.append(f"No {more} {name} than {value} was tried; it may be better.")
        return said

    def _about_test(self) -> list[str]:
        """The metrics of the best setting, on rows or with draws that took no part in it."""
        found, where = self.test, "Scored again with other draws"
        if self.chooser.split == "valid" and not found:
            return ["There are no test rows to report it on."]
        if self.chooser.split == "valid":
            where = f"On {self.chooser.test_rows} test rows, which took no part in the choice"
        predicted = found.pop(PREDICTED, None)
        said = [f"{where}: {_listed(found)}."]
        return said + ([f"On test rows: {_listed({PREDICTED: predicted})}."] if predicted else [])

    def to_dataframe(self) -> "DataFrame":
        """A line for each run: its settings, and its metrics on the rows that choose."""
        runs = [
            (setting, self.rows[name])
            for setting in self.settings
            for name in map(setting.run, range(self.seeds))
            if name in self.rows
        ]
        view = dataframe([row for _, row in runs]).drop(columns="verdict")
        for name in self.settings[0].values:
            if name not in view:  # the steps that a run took are there
                values = [setting.values[name] for setting, _ in runs]
                view.insert(OF_A_RUN.index("seed"), name, values)
        return view

    def record(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "scores": [
                {
                    "guide": one.setting.guide,
                    "objective": one.setting.objective,
                    "values": one.setting.labels,
                    "value": None if one.value is None else asdict(one.value),
                    "behind": None if one.behind is None else asdict(one.behind),
                    "ends": one.ends,
                    "seconds": one.seconds if one.rows else None,
                }
                for one in self.scores
            ],
            "metric": self.metric,
            "chosen on": self.chooser.where,
            "best": None if self.best is None else str(self.best),
            "test": {name: asdict(cell) for name, cell in self.test.items()},
            "said": self.sentences,
            "command": self.command,
            "mismatches": self.mismatches,
            "failed": self.failed,
            "unfinished": self.unfinished,
        }

    @property
    def left(self) -> dict[str, str]:
        """Run or pair -> why it is not in the table."""
        return self.mismatches | self.failed | self.unfinished

    def show(self, console: Console) -> None:
        """Prints the table, the choice, the command that repeats it, and what is not in the table.

        Args:
            console: of rich.
        """
        console.print(self.table)
        again = ["The same fit, seed 0:", self.command] if self.command else []
        left = [f"{name}: {why}" for name, why in self.left.items()]
        for line in (*self.sentences, *again, *left):
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    def __str__(self) -> str:
        console = Console(width=120, file=StringIO(), record=True)
        self.show(console)
        return console.export_text()

    __repr__ = __str__


def _listed(cells: dict[str, Cell]) -> str:
    """Metrics in one line; a unit stands after the last of those that have it."""
    units = dict.fromkeys(cell.unit for cell in cells.values())
    parts = [
        ", ".join(f"{name} {shown(cell)}" for name, cell in cells.items() if cell.unit == unit)
        + f" {unit}".rstrip()
        for unit in units
    ]
    return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
