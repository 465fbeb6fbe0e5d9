"""Metrics as text and as a table in a notebook: numbers with their errors, then the verdict."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from zoo.metrics.metric import Metric, plus_minus

if TYPE_CHECKING:
    from zoo.evaluation.evaluate import Metrics

HEADINGS = ("metric", "value", "unit", "note")
SEEN = "the rows that the model was trained on"


def as_text(found: "Metrics") -> str:
    """A line for each metric, what was left out by reason, and the verdict."""
    rows = [(name, value_of(metric), metric.unit, metric.note) for name, metric in found.items()]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(HEADINGS) - 1)]
    lines = [title_of(found)]
    for name, value, unit, note in rows:
        cells = f"  {name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {note}"
        lines.append(cells.rstrip())
    lines += [f"  not computed: {', '.join(n)} ({why})" for why, n in left_out(found).items()]
    return "\n".join([*lines, *verdict_lines(found)])


def as_html(found: "Metrics") -> str:
    """The same as a table with a list below it."""
    head = "".join(f"<th style='text-align:left'>{heading}</th>" for heading in HEADINGS)
    body = ""
    for name, metric in found.items():
        cells = (escape(name), escape(value_of(metric)), escape(metric.unit), escape(metric.note))
        body += "<tr>" + "".join(f"<td style='text-align:left'>{one}</td>" for one in cells)
        body += "</tr>"
    answers = "".join(f"<li>{escape(line)}</li>" for line in verdict_lines(found))
    left = "".join(
        f"<li>not computed: {escape(', '.join(names))} ({escape(why)})</li>"
        for why, names in left_out(found).items()
    )
    caption = f"<caption><b>{escape(title_of(found))}</b></caption>"
    return f"<table>{caption}<tr>{head}</tr>{body}</table><ul>{answers}{left}</ul>"


def title_of(found: "Metrics") -> str:
    """What was scored: the split, its rows and the draws."""
    return f"Metrics on {scored_on(found)}"


def scored_on(found: "Metrics") -> str:
    """The split, its rows and the draws, and whether the model was trained on these rows."""
    rows = f"{found.rows:,} rows, " if found.rows > 1 else ""
    drawn = "nothing drawn" if found.nothing_latent else f"{found.draws:,} draws each"
    seen = found.split == "train" and found.trains_model and found.rows > 1
    return f"{found.split}{', ' + SEEN if seen else ''}: {rows}{drawn}"


def value_of(metric: Metric) -> str:
    """The value with its standard error, to two digits of the error; alone where it is exact."""
    if metric.se > 0:
        return plus_minus(metric.value, metric.se)
    return f"{metric.value:.6g}"


def verdict_lines(found: "Metrics") -> list[str]:
    """The three answers and the difficulties, a line each."""
    return found.verdict.splitlines()


def left_out(found: "Metrics") -> Mapping[str, list[str]]:
    """Reason -> the metrics that were not computed for it."""
    reasons: dict[str, list[str]] = {}
    for name, why in found.skipped.items():
        reasons.setdefault(why, []).append(name)
    return reasons
