"""What `zoo fit` and `zoo evaluate` print of a fit's figures."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from zoo.evaluation.evaluate import Figures


def figures_asked(text: str | None) -> Sequence[str] | str | None:
    """--figures: not given is all that is quick, "all" is everything, else names."""
    if text is None or text.strip() == "all":
        return text and "all"
    return [name.strip() for name in text.split(",") if name.strip()]


def show_figures(console: Console, figures: Figures, title: str) -> None:
    """A table of the figures, what was left out by reason, and the verdict."""
    rows = f"{figures.rows} rows, " if figures.rows > 1 else ""
    view = Table(title=f"{title}: {figures.split}, {rows}{figures.draws} draws each")
    for heading in ("figure", "value", "standard error", "unit", "note"):
        view.add_column(
            heading, justify="right" if heading in ("value", "standard error") else "left"
        )
    for name, figure in figures.items():
        value, se = f"{figure.value:.4f}", f"{figure.se:.4f}"
        view.add_row(name, value, se, figure.unit, f"[dim]{figure.note}[/dim]")
    console.print(view)
    for reason in dict.fromkeys(figures.skipped.values()):
        names = [name for name, why in figures.skipped.items() if why == reason]
        console.print(f"[dim]{', '.join(names)}: {reason}[/dim]")
    console.print(figures.verdict, markup=False)
