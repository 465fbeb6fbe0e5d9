"""What `zoo fit` and `zoo evaluate` print of a fit's metrics."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from zoo.cli.names import check_metrics

if TYPE_CHECKING:
    from zoo.evaluation.evaluate import Metrics


def metrics_asked(text: str | None) -> Sequence[str] | str | None:
    """--metrics: not given is all that is quick, "all" is everything, else names.

    Raises:
        ValueError: for an unknown name.
    """
    if text is None or text.strip() == "all":
        return text and "all"
    names = [name.strip() for name in text.split(",") if name.strip()]
    check_metrics(names)
    return names


def show_metrics(console: Console, metrics: "Metrics", title: str) -> None:
    """A table of the metrics, what was left out by reason, and the verdict."""
    from zoo.evaluation.shown import scored_on

    view = Table(title=f"{title}: {scored_on(metrics)}")
    for heading in ("metric", "value", "standard error", "unit", "note"):
        view.add_column(
            heading, justify="right" if heading in ("value", "standard error") else "left"
        )
    for name, metric in metrics.items():
        value, se = f"{metric.value:.4f}", f"{metric.se:.4f}"
        view.add_row(name, value, se, metric.unit, f"[dim]{metric.note}[/dim]")
    console.print(view)
    for reason in dict.fromkeys(metrics.skipped.values()):
        names = [name for name, why in metrics.skipped.items() if why == reason]
        console.print(f"[dim]{', '.join(names)}: {reason}[/dim]")
    console.print(metrics.verdict, markup=False)
