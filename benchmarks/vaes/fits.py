"""What the sections of `run` share: one fit with its metrics, means over seeds, a verdict."""

import time
from collections.abc import Callable, Sequence

import zoo
from benchmarks import markdown

BATCH, DRAWS = 100, 1000


def fitted(
    task: zoo.Task,
    guide: Callable,
    metrics: Sequence[str],
    *,
    steps: int,
    seed: int,
    lr: float = 1e-3,
    objective: object = "trace",
    freeze_model: bool = False,
) -> tuple[zoo.Fit, dict]:
    """A fit, and its row: seed, steps, seconds, path, parameters, metric -> [value, error]."""
    fit = zoo.fit(
        task,
        guide,
        objective=objective,
        steps=steps,
        lr=lr,
        batch_size=BATCH,
        seed=seed,
        freeze_model=freeze_model,
        progress=True,
    )
    begin = time.perf_counter()
    found = zoo.evaluate(fit, metrics=metrics, draws=DRAWS)
    row = {"seed": seed, "steps": steps, "seconds": fit.seconds, "backend": fit.backend}
    row["parameters"] = sum(p.numel() for p in fit.program.parameters())
    row |= {name: [metric.value, metric.se] for name, metric in found.items()}
    return fit, row | {"seconds_scoring": time.perf_counter() - begin}


def shown(rows: Sequence[dict], name: str, digits: int = 2) -> str:
    """Mean over seeds ± the larger of half their range and of a seed's own error, as text.

    Without that metric it is "-".

    Args:
        rows: of one setting, a seed each.
        name: of the metric, or "a - b" for a difference of two.
        digits: after the point.
    """
    name, _, less = name.partition(" - ")
    if name not in rows[0]:
        return "-"
    values = [row[name][0] - (row[less][0] if less else 0.0) for row in rows]
    error = max((max(values) - min(values)) / 2, *(row[name][1] for row in rows))
    return f"{sum(values) / len(values):.{digits}f} ± {error:.{digits}f}"


def table_of(rows: Sequence[dict], head: str, columns: Sequence[tuple[str, str, int]]) -> str:
    """One line for each value of `head`.

    Args:
        rows: of all settings and seeds.
        head: what names a setting.
        columns: heading, metric and digits of each.
    """
    sized = all("parameters" in row for row in rows)
    headings = [head, *["parameters"] * sized, *(heading for heading, _, _ in columns)]
    headings.append("seconds a fit")
    lines = []
    for name in dict.fromkeys(row[head] for row in rows):
        each = [row for row in rows if row[head] == name]
        cells = [name, parameters(each)] if sized else [name]
        cells += [shown(each, metric, digits=digits) for _, metric, digits in columns]
        cells.append(f"{sum(row['seconds'] for row in each) / len(each):.0f}")
        lines.append(cells)
    return markdown.table(headings, lines)


def parameters(each: Sequence[dict]) -> str:
    """Of model and guide together, the same for all seeds."""
    return f"{each[0]['parameters']:,}"


def judged(value: float, error: float, published: float, tolerance: float) -> str:
    """agrees, differs, or cannot tell, where our error reaches across the tolerance.

    Args:
        value: ours, nats.
        error: half the range over seeds, or a standard error.
        published: theirs, nats.
        tolerance: what still agrees, nats.
    """
    off = abs(value - published)
    if off <= tolerance and error <= tolerance:
        return "agrees"
    return "cannot tell" if off <= tolerance + 2 * error else "differs"
