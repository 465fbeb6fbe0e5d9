"""The table of a comparison."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from zoo.comparison.aggregate import Cell, Row, Summary, summarise
from zoo.comparison.paired import Pair, best, judged
from zoo.evaluation.answers import NO
from zoo.metrics.prediction import LARGEST_RELIABLE_K

if TYPE_CHECKING:
    from pandas import DataFrame

OF_A_RUN = ("model", "data", "guide", "objective", "seed", "steps", "seconds", "stopped")
COLUMNS = ("elbo", "iwae_10", "iwae_100", "log_evidence", "exact_log_evidence", "gap", "k_hat")


def caption(summaries: Sequence[Summary], mark: str = "") -> str:
    """How to read the errors of a table, and the mark of its best cells; "" where none is."""
    seeds = max((summary.seeds for summary in summaries), default=1)
    if seeds == 1:
        return "± is the error of the draws alone: one seed does not show how training varies."
    errors = f"± is the standard error over {seeds} seeds, or that of the draws where it is larger"
    if not mark:
        none = " No line is clearly better than every other." if len(summaries) > 1 else ""
        return f"{errors}.{none}"
    return f"{errors}; {mark} is clearly better than every other line, paired by seed and by row."


def tails_said(summaries: Sequence[Summary]) -> str:
    """What weights of heavy tails do to the estimate of log p(x); "" where there are none."""
    tails = [s.cells["k_hat"].value for s in summaries if "k_hat" in s.cells]
    estimated = any("log_evidence" in s.cells for s in summaries)
    if not estimated or not any(k_hat > LARGEST_RELIABLE_K for k_hat in tails):
        return ""
    return (
        f"Where k_hat is above {LARGEST_RELIABLE_K}, few weights hold the sum: log_evidence is "
        "mostly too low, and its ± too small."
    )


def by_reason(left: Mapping[str, str]) -> dict[str, str]:
    """Names, comma-separated -> why, so that what several runs share is said once.

    Args:
        left: run or pair -> why it is not in the table.
    """
    found: dict[str, list[str]] = {}
    for name, why in left.items():
        found.setdefault(why, []).append(name)
    return {", ".join(names): why for why, names in found.items()}


def models_compare(rows: Sequence[Row], *, learns: bool) -> bool:
    """Do estimates of log p(x) tell the runs apart: other models, and weights to be trusted?"""
    return learns and all(row.answers.get("weights", {}).get("answer") != NO for row in rows)


def winners(rows: Sequence[Row], names: Sequence[str], *, learns: bool) -> dict[str, Pair | None]:
    """Metric -> the pair that is clearly the best in it.

    The estimate of log p(x) tells models apart, not guides: none is the best in it where all runs
    have one model, nor where the weights of some run are not to be trusted.
    """
    left = () if models_compare(judged(rows), learns=learns) else ("log_evidence",)
    return {name: None if name in left else best(rows, name) for name in names}


def comparison_table(
    rows: Sequence[Row],
    exact: Cell | None,
    title: str,
    *,
    learns: bool = True,
    fixed: str = "",
) -> Table:
    """One line a pair of guide and objective, over seeds; bold and a star what is clearly best.

    Args:
        rows: of all runs.
        exact: the exact log evidence, if one number serves all lines.
        title: above the table.
        learns: has each run a model of its own, which it trained?
        fixed: says which model was held fixed; "" where none was.
    """
    summaries = summarise(rows)
    found = columns(summaries, exact)
    best_in = winners(rows, found, learns=learns)
    star = "*" if any(best_in.values()) else ""
    words = " ".join(filter(None, (fixed, caption(summaries, star), tails_said(summaries))))
    view = Table(title=title, caption=words, caption_justify="left")
    for heading in ("guide", "objective"):
        view.add_column(heading, overflow="fold")
    for name in found:
        unit = next(s.cells[name].unit for s in summaries if name in s.cells)
        view.add_column(f"{name}\n[dim]{unit}[/dim]", justify="right", overflow="fold")
    view.add_column("fit\n[dim]seconds[/dim]", justify="right")
    for summary in summaries:
        cells = []
        for name in found:
            text = shown(summary.cells.get(name))
            won = best_in[name] == (summary.guide, summary.objective)
            cells.append(f"[bold]{text} *[/bold]" if won else text)
        view.add_row(summary.guide, summary.found_by, *cells, f"{summary.seconds:.1f}")
    if exact is not None:
        view.add_section()
        view.add_row("exact log p", "", f"{exact.value:.4f}")
    return view


def columns(summaries: Sequence[Summary], exact: Cell | None) -> list[str]:
    """The metrics that the table shows: those that some line has."""
    wanted = [name for name in COLUMNS if exact is None or name != "exact_log_evidence"]
    return [name for name in wanted if any(name in summary.cells for summary in summaries)]


def shown(cell: Cell | None) -> str:
    """A value with its error, two significant digits of that; "-" where there is none."""
    if cell is None:
        return "-"
    digits = max(0, 1 - math.floor(math.log10(cell.se))) if cell.se > 0 else 4
    return f"{cell.value:.{digits}f} ± {cell.se:.{digits}f}" if cell.se else f"{cell.value:.4f}"


def dataframe(rows: Sequence[Row]) -> "DataFrame":
    """A line for each run: what it was, every metric with its error, and the verdict.

    The columns of a metric are its name and its name with `_se`.
    """
    import pandas as pd  # half a second

    lines = []
    for row in rows:
        own = {name: getattr(row, name) for name in OF_A_RUN}
        own |= {name: metric.value for name, metric in row.metrics.items()}
        own |= {f"{name}_se": metric.se for name, metric in row.metrics.items()}
        lines.append(own | {"verdict": row.verdict})
    return pd.DataFrame(lines)
