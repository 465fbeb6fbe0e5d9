"""The table of a comparison of gradient estimators, and its folder with JSON and pictures."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from zoo.gradients.pictures import label, temperature_picture, variance_picture
from zoo.gradients.results import GradientRow, Gradients
from zoo.metrics.metric import plus_minus
from zoo.provenance import provenance

HEADINGS = (
    "estimator",
    "at",
    "p, no bias",
    "bias, relative",
    "variance\nencoder",
    "variance\ndecoder",
    "variance\ntotal",
    "signal\n/ noise",
    "evaluations\nof f",
    "ms",
    "variance x\nevaluations",
)


def gradient_table(found: Gradients, title: str) -> Table:
    """A table with a row for each estimator and place; red where the estimator is biased.

    Variances are in (nats per unit)^2, with their standard errors.
    """
    view, at = Table(title=title), ""
    for heading in HEADINGS:
        view.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for row in found.rows:
        if at and row.at != at:
            view.add_section()
        at = row.at
        variances = [plus_minus(v.value, v.se) for v in row.variance.values()]
        view.add_row(
            label(row),
            row.at,
            _p_value(row),
            _relative(row),
            *variances,
            f"{row.snr:.3g}",
            str(row.evaluations),
            f"{row.seconds * 1e3:.2f}",
            f"{row.cost:.3g}",
        )
    return view


def _p_value(row: GradientRow) -> str:
    if row.bias_p_value is None:
        return "-"
    text = f"{row.bias_p_value:.2g}"
    return f"[red]{text}[/red]" if row.biased else text


def _relative(row: GradientRow) -> str:
    if row.bias is None:
        return "-"
    return plus_minus(row.bias["relative"], row.bias["relative_se"])


def write_gradients(found: Gradients, folder: str | Path) -> Path:
    """Writes `gradients.json`, `variance.png` and, for several temperatures, `temperature.png`.

    Each picture is written as SVG too.

    Returns:
        The folder.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    record = provenance(found.task.data) | {
        "model": found.task.name,
        "settings": found.settings,
        "rows": [asdict(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    (out / "gradients.json").write_text(json.dumps(record, indent=2))
    if any(row.variance["total"].value > 0 for row in found.rows):
        variance_picture(found, out / "variance.png")
    if len({row.temperature for row in found.rows if row.temperature is not None}) > 1:
        temperature_picture(found.rows, out / "temperature.png")
    return out
