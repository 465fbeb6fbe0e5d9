"""How `zoo picture` makes each picture, with its record and what it prints."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from guides import AmortisedIAF, AmortisedNormal, PerDatum, guide_named
from guides.per_datum_iaf import PerDatumIAF
from zoo.checks.arguments import whole
from zoo.demos.amortisation import amortisation, as_record, draw_amortisation
from zoo.demos.four_points import (
    STEPS,
    Findings,
    GuidePair,
    four_points,
    four_points_task,
    gain,
    over_seeds,
)
from zoo.demos.four_points_picture import draw_four_points
from zoo.metrics.metric import Metric
from zoo.provenance import provenance
from zoo.task import Task

RIVALS = {
    "diagonal normal": GuidePair(AmortisedNormal, PerDatum),
    "IAF": GuidePair(
        partial(AmortisedIAF, depth=4, hidden=32), partial(PerDatumIAF, depth=4, hidden=32)
    ),
}
VARIANTS = ("amortised_fixed_scale", "amortised_normal", "amortised_full_rank", "amortised_iaf")


def _four_points(
    out: Path,
    steps: int | None,
    seeds: int,
    console: Console,
) -> None:
    steps = STEPS if steps is None else steps
    found = four_points(RIVALS, seeds=seeds, steps=steps, progress=sys.stderr.isatty())
    names = list(found)
    more = gain(found[names[0]], found[names[1]])
    draw_four_points(found, out / "four_points.png")
    metrics = {name: _metrics(shown) for name, shown in found.items()}
    record = {
        "steps": steps,
        "metrics": metrics,
        "gain": asdict(more),
        "gain_note": f"ELBO of {names[1]} minus that of {names[0]}, seed by seed",
        "seeds": {name: _by_seed(shown) for name, shown in found.items()},
    }
    _write(out / "four_points.json", four_points_task(), record)
    view = Table(title=f"Four points, {seeds} seeds: nats/row ± standard error over seeds")
    for heading in ("", *names):
        view.add_column(heading, justify="left" if not heading else "right")
    for metric in metrics[names[0]]:
        cells = [_shown(metrics[name][metric]) for name in names]
        view.add_row(metric, *cells)
    console.print(view)
    console.print(f"ELBO gain of {names[1]} over {names[0]}: {_shown(asdict(more))} nats/row")
    for name in names:
        settled = sum(part.settled for part in found[name].splits)
        console.print(f"{name}: the search behind the split settled in {settled} of {seeds} seeds")


def _amortisation(
    out: Path,
    steps: int | None,
    seeds: int,
    console: Console,
) -> None:
    guides = {name: guide_named(name) for name in VARIANTS}
    shown = sys.stderr.isatty()
    steps = 1500 if steps is None else whole("steps", steps)
    ladder = amortisation(guides, "amortised_normal", PerDatum, steps=steps, progress=shown)
    draw_amortisation(ladder.bounds, ladder.log_evidence, out / "amortisation.png")
    _write(out / "amortisation.json", ladder.task, {"steps": steps} | as_record(ladder))
    view = Table(title="One model held, test rows: nats/row ± Monte Carlo error")
    for heading in ("guide", "ELBO", "gap to log p(x)"):
        view.add_column(heading, justify="left" if heading == "guide" else "right")
    for name in ladder.bounds:
        cells = (ladder.elbo(name), ladder.gap(name))
        view.add_row(name, *(_shown(asdict(metric)) for metric in cells))
    console.print(view)
    console.print(ladder.search_note)


def _write(path: Path, task: Task, record: dict[str, object]) -> None:
    made = provenance(task.data) | {"date": str(date.today())}
    path.write_text(json.dumps(made | record, indent=1))


def _metrics(shown: Findings) -> dict[str, dict]:
    return {name: asdict(over_seeds(metrics)) for name, metrics in _columns(shown).items()}


def _by_seed(shown: Findings) -> list[dict]:
    columns = _columns(shown)
    return [
        {name: asdict(metrics[seed]) for name, metrics in columns.items()}
        | {"settled": shown.splits[seed].settled}
        for seed in range(len(shown.fits))
    ]


def _columns(shown: Findings) -> dict[str, list[Metric]]:
    return {
        "exact log p(x)": shown.log_evidence,
        "ELBO": shown.elbo,
        "gap": shown.gap,
        "approximation gap": [part.approximation for part in shown.splits],
        "amortisation gap": [part.amortisation for part in shown.splits],
    }


def _shown(metric: dict) -> str:
    return f"{metric['value']:.4f} ± {metric['se']:.4f}"


Make = Callable[[Path, int | None, int, Console], None]
MAKERS: dict[str, Make] = {"four_points": _four_points, "amortisation": _amortisation}
