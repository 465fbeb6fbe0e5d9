"""A comparison as one HTML page that stands alone: no network, light and dark, on a phone too."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Picture

from zoo.comparison.aggregate import Cell, Row, summarise
from zoo.comparison.paired import Difference, Pair, differences, judged
from zoo.comparison.pictures import LossCurve, bound_figure, loss_figure
from zoo.comparison.row_pictures import k_hat_figure
from zoo.comparison.row_values import GOOD, RowValues, k_hat_counts
from zoo.comparison.table import (
    by_reason,
    caption,
    columns,
    models_compare,
    shown,
    tails_said,
    winners,
)
from zoo.figure_style import svg
from zoo.files import write_whole

JUDGED_BY = ("log_evidence", "elbo")
TEMPLATE = "report.html.j2"
QUESTIONS = {
    "bound": "Is the bound as it should be?",
    "weights": "May the importance weights be trusted?",
    "draws": "May the guide's own draws be trusted?",
}


@dataclass(frozen=True)
class Material:
    """What a report is made from.

    Attributes:
        title: model and data.
        held: which model was held fixed; "" where every run trained its own.
        rows: the runs.
        exact: the exact log evidence, where it is one number.
        losses: of the runs.
        images: run name -> a PNG of rows, reconstructions and samples.
        left: run or pair -> why it is not in the table.
        learns: has each run a model of its own, which it trained?
        record: command, commit, versions, threads and data.
    """

    title: str
    held: str
    rows: Sequence[Row]
    exact: Cell | None
    losses: Sequence[LossCurve]
    images: dict[str, bytes]
    left: dict[str, str]
    learns: bool
    record: dict[str, Any]


def not_in_table(
    rows: Sequence[Row], mismatches: dict[str, str], unfinished: dict[str, str]
) -> dict[str, str]:
    """Pair or run -> why it is not in the table, or not judged."""
    gone = {
        row.name: "diverged; its pair is not judged." for row in rows if row.stopped == "diverged"
    }
    return mismatches | gone | {n: f"{how}; not in the table." for n, how in unfinished.items()}


def write_report(material: Material, path: str | Path) -> Path:
    """Writes the page.

    Args:
        material: what it is made from.
        path: of the HTML file; its folder is made if it is not there.

    Raises:
        ValueError: for a comparison of which no run is whole.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if not material.rows:
        why = "; ".join(f"{name}: {how}" for name, how in material.left.items())
        raise ValueError(f"There is no run to report: none is whole ({why}). Run them first.")
    loader = PackageLoader("zoo.comparison", ".")
    rules = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, rules.get_template(TEMPLATE).render(page=_page(material)))


def _page(material: Material) -> dict[str, Any]:
    """What the template asks for."""
    rows, summaries = material.rows, summarise(material.rows)
    seeds = max(summary.seeds for summary in summaries)
    kept = judged(rows)
    shared = [name for name in JUDGED_BY if all(name in row.metrics for row in kept)]
    best_in = winners(rows, columns(summaries, material.exact), learns=material.learns)
    mark = "bold" if any(best_in.values()) else ""
    of_rows = counted(rows)
    found = [one for name in shared for one in differences(kept, name)]
    return _table(rows, material.exact, best_in) | {
        "title": material.title,
        "question": question(summaries, seeds, material.held),
        "answer": answer(kept, shared, best_in, learns=material.learns),
        "caption": " ".join(filter(None, (caption(summaries, mark), tails_said(summaries)))),
        "exact": "" if material.exact is None else f"{material.exact.value:.4f}",
        "pictures": _pictures(material, summaries),
        "differences": [_difference(one) for one in found],
        "errors": errors_in_words(found),
        "rows": [_row_of_counts(*one) for one in of_rows],
        "k_hats": _svg(k_hat_figure({_pair(p): runs for p, runs in of_rows})) if of_rows else "",
        "runs": [_run(row, material.images.get(row.name)) for row in rows],
        "left": list(by_reason(material.left).items()),
        "command": material.record["command"],
        "made": _made(material.record),
    }


def _table(
    rows: Sequence[Row], exact: Cell | None, best_in: dict[str, Pair | None]
) -> dict[str, Any]:
    """The heads and lines of the table."""
    summaries = summarise(rows)
    names = columns(summaries, exact)
    cells = {name: [s.cells[name] for s in summaries if name in s.cells] for name in names}
    heads = [(name, "") for name in ("guide", "objective")]
    heads += [(name, cells[name][0].unit) for name in names] + [("fit", "seconds")]
    lines = []
    for s in summaries:
        found = [(shown(s.cells.get(n)), best_in[n] == (s.guide, s.objective)) for n in names]
        line = [(s.guide, False), (s.found_by, False), *found, (f"{s.seconds:.1f}", False)]
        lines.append([{"text": text, "best": won} for text, won in line])
    return {"heads": [{"name": name, "unit": unit} for name, unit in heads], "lines": lines}


def question(summaries: Sequence[Any], seeds: int, held: str) -> str:
    """What the comparison asks, in a sentence or two."""
    guides = {summary.guide for summary in summaries}
    objectives = {summary.objective for summary in summaries}
    what = f"{_number(len(guides), 'guide')}, {_number(len(objectives), 'objective')}, "
    what += f"{_number(seeds, 'seed')}."
    if held:
        return f"{what} {held} So the guides differ in inference alone."
    return f"{what} Every run trains a model of its own, so that model and guide both differ."


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def answer(
    rows: Sequence[Row], shared: Sequence[str], best_in: dict[str, Pair | None], *, learns: bool
) -> str:
    """Which pair is clearly the best, or that none is.

    Models that runs trained for themselves are told apart by log p(x), where the weights may be
    trusted; guides under one model by the ELBO, since log p(x) is the same for all of them.
    """
    pairs = {(row.guide, row.objective) for row in rows}
    if not shared or len(pairs) < 2:
        return "There is nothing to compare: one pair, or no metric that all runs have."
    if len({row.seed for row in rows}) == 1:
        return "One seed cannot show which pair is better; take at least two, better five."
    by_model = "log_evidence" in shared and models_compare(rows, learns=learns)
    judge = "log_evidence" if by_model else "elbo"
    won = best_in.get(judge)
    if won is None:
        return f"No pair is clearly the best: what differs in {judge}, chance could explain."
    return f"{_pair(won)} is clearly the best in {judge}."


def _pair(pair: Pair) -> str:
    return f"{pair[0]}, {pair[1]}"


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "first": _pair(one.first),
        "second": _pair(one.second),
        "metric": one.metric,
        "value": f"{one.value:+.3f}",
        "errors": [_error(se) for se in (one.se, one.se_rows, one.se_both)],
        "is_clear": "yes" if one.clear else "no",
    }


def _error(se: float) -> str:
    return "-" if math.isnan(se) else f"{se:.2g}"


def errors_in_words(found: Sequence[Difference]) -> str:
    """What the errors of the differences are of, and which of them decides."""
    if not found:
        return ""
    said = "± over seeds: trained again, and scored on these same rows. "
    if any(not math.isnan(one.se_rows) for one in found):
        said += (
            "± over rows: these fits, on other rows from the same source; the difference is taken "
            "row by row, so that rows that are hard for both do not count. "
        )
    if any(not math.isnan(one.se_both) for one in found):
        said += "± both: trained again, and on other rows. It decides what is called clear. "
    elif all(math.isnan(one.se) for one in found):
        said += "One seed shows nothing of how training varies, so that nothing is called clear. "
    else:
        said += "The error over seeds decides what is called clear. "
    return said + (
        "Of all differences that are 0 in truth, the chance that any is called clear is at most "
        "0.05."
    )


def counted(rows: Sequence[Row]) -> list[tuple[Pair, list[RowValues]]]:
    """Pair -> values of single rows of its seeds, of the pairs that have k-hats."""
    found: dict[Pair, list[RowValues]] = {}
    for row in rows:
        if row.by_row is not None and "k_hat" in row.by_row.values:
            found.setdefault((row.guide, row.objective), []).append(row.by_row)
    return list(found.items())


def _row_of_counts(pair: Pair, runs: list[RowValues]) -> dict[str, Any]:
    counts = k_hat_counts(runs)
    return {
        "pair": _pair(pair),
        "seeds": len(runs),
        "cells": [counts.rows, counts.good, counts.fair, counts.poor, counts.undefined],
        "limit": f"{counts.limit:.2f}",
        "good": f"{min(GOOD, counts.limit):.2g}",
        "words": counts.words,
    }


def _run(row: Row, image: bytes | None) -> dict[str, Any]:
    answers = [
        {"question": QUESTIONS[name], "answer": part["answer"], "reason": part["reason"]}
        for name, part in row.answers.items()
    ]
    short = ", ".join(f"{name} {part['answer']}" for name, part in row.answers.items())
    stepped = row.backend in ("plain", "compiled")
    how = f"{row.steps} steps" if stepped else "no steps"
    how += f" in {row.seconds:.1f} s ({row.backend}); {row.stopped}."
    encoded = None if image is None else base64.b64encode(image).decode()
    return {"name": row.name, "short": short, "answers": answers, "image": encoded, "how": how}


def _pictures(material: Material, summaries: Sequence[Any]) -> list[dict[str, str]]:
    found = [
        {
            "svg": _svg(bound_figure(summaries, material.exact)),
            "caption": "Bounds of each pair, up to the estimate of log p(x); bars are two "
            "standard errors. The shorter the line from the ELBO to log p(x), the closer the "
            "guide is to the posterior of its model.",
        }
    ]
    if material.losses:
        text = "Training losses, smoothed over up to 50 steps. Each objective is another bound, "
        text += "and has an axis of its own; the first steps may lie above it."
        found.append({"svg": _svg(loss_figure(material.losses)), "caption": text})
    return found


def _svg(picture: Picture) -> str:
    text = svg(picture)
    return text[text.index("<svg") :]


def _made(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    data, commit = record["data"], record["commit"] or "installed package"
    return (
        f"Data {data['name']} ({data['binarize']}), seed {data['seed']}, hash {data['hash']}. "
        f"Commit {commit}; {versions}; {record['threads']} threads, {record['device']}."
    )
