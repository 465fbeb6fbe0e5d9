"""docs/gpu.md, from the results of `benchmarks.gpu`: is the zoo right on a GPU, and how fast?

python -m benchmarks.gpu --out benchmarks/results/gpu    # several times, until nothing is left
python -m benchmarks.pages.gpu
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import markdown, records
from benchmarks.gpu.rows import PARTS
from benchmarks.gpu.speed import SCHOOLS
from benchmarks.pages.readme import metrics_of
from benchmarks.speed.tasks import PICTURES
from benchmarks.vaes import published
from zoo.comparison.aggregate import Row, summarise

FOLDER, PAGE = records.RESULTS / "gpu", records.DOCS / "gpu.md"
SHOWN = ("elbo", "iwae_10", "iwae_100", "log_evidence", "k_hat")
COLUMNS = {  # of milliseconds -> heading
    "by_hand_graph_ms": "by hand, CUDA graph",
    "by_hand_compiled_graph_ms": "by hand, compiled, CUDA graph",
    "by_hand_eager_ms": "by hand, eager",
    "numpyro_ms": "NumPyro",
    "zoo_without_graph_ms": "zoo, without graph",
    "zoo_plain_ms": "zoo, plain step",
    "pyro_svi_step_ms": "Pyro's SVI.step",
    "pyro_ms": "Pyro's SVI.step",
}


def ran(rows: Iterable[dict]) -> list[dict]:
    """The rows without an error."""
    return [row for row in rows if "error" not in row]


def beside(row: dict, column: str) -> str:
    """Milliseconds of a rival, and how many times the zoo's they are."""
    value = row.get(column)
    return f"{value:.3g} ({value / row['zoo_ms']:.3g}x)" if isinstance(value, float) else "-"


def steps(rows: list[dict], head: str) -> str:
    """A line for each row, a column for each rival that has any."""
    held = [name for name in COLUMNS if any(isinstance(row.get(name), float) for row in rows)]
    heads = [head, "zoo, ms a step", *(COLUMNS[name] for name in held), "memory, MiB"]
    lines = []
    for row in rows:
        memory = row.get("memory_mib")
        cells = [row["row"], f"{row['zoo_ms']:.3g}", *(beside(row, name) for name in held)]
        lines.append([*cells, "-" if memory is None else f"{memory:.0f}"])
    return markdown.table(heads, lines)


def correctness(rows: list[dict]) -> str:
    """Every check with its answer, and by how much values differ."""
    lines = [
        [
            row["row"],
            "yes" if row["right"] else "**no**",
            *(f"{row[name]:.1g}" if name in row else "-" for name in DIFFERENCES),
            str(row.get("outcome", row.get("gradients_differ_in") or "-")),
        ]
        for row in ran(rows)
    ]
    heads = ["row", "right", "losses differ by", "state differs by", "outcome, or what differs"]
    return markdown.table(heads, lines)


DIFFERENCES = ("losses_differ_by", "state_differs_by")


def speed(rows: list[dict]) -> str:
    """The bars, then a table for each kind of row."""
    rows = ran(rows)
    kinds = {
        "row": [row for row in rows if "replicas" not in row and "batch" not in row],
        "batch size": [row for row in rows if "batch" in row],
        "replicas, all together": [row for row in rows if "replicas" in row],
    }
    kinds["cost"] = [row for row in kinds["row"] if "axis" in row]
    kinds["row"] = [row for row in kinds["row"] if "axis" not in row]
    return "\n\n".join([bars(rows), *(steps(many, kind) for kind, many in kinds.items() if many)])


def bars(rows: list[dict]) -> str:
    """What was to be reached, and whether it was."""
    by_name = {row["row"]: row for row in rows}
    small = [row for row in rows if row["row"].split("/")[0] not in PICTURES]
    graph = ratios(rows, "by_hand_graph_ms")
    svi = ratios(small, "pyro_svi_step_ms")
    one, many = (by_name.get(f"{SCHOOLS}, {count} replicas") for count in (1, 256))
    growth = [many["zoo_ms"] / one["zoo_ms"]] if one and many else []
    lines = [
        bar("At most 1.3 times a hand-written CUDA graph", [1 / r for r in graph], 1.3, max),
        bar("At least 20 times as fast as SVI.step on small models", svi, 20, min),
        bar("256 replicas take at most 3 times one", growth, 3.0, max),
    ]
    return "\n".join(lines)


def ratios(rows: list[dict], column: str) -> list[float]:
    return [r[column] / r["zoo_ms"] for r in rows if isinstance(r.get(column), float)]


def bar(text: str, found: list[float], limit: float, worst: Callable) -> str:
    """One line: the worst ratio, and whether it keeps within the limit."""
    if not found:
        return f"- {text}: not measured."
    value = worst(found)
    kept = value <= limit if worst is max else value >= limit
    return f"- {text}: {'yes' if kept else '**no**'}, {value:.3g} at worst, of {len(found)} rows."


def main_job(rows: list[dict]) -> str:
    """Means over seeds of the metrics, as in README."""
    each = [one | {"metrics": metrics_of(one)} for row in ran(rows) for one in row["rows"]]
    lines = [
        [
            found.guide,
            found.objective,
            *(f"{found.cells[n].value:.2f} ± {found.cells[n].se:.2f}" for n in SHOWN),
            f"{found.seconds:.1f}",
        ]
        for found in summarise([Row(**one) for one in each])
    ]
    return markdown.table(["guide", "objective", *SHOWN, "seconds a fit"], lines)


def estimators(rows: list[dict]) -> str:
    """Variance of the encoder's gradient: mean over seeds, and half their range."""
    found: dict[tuple[int, str], list[float]] = {}
    for row in ran(rows):
        for one in row["rows"]:
            found.setdefault((row["steps"], one["estimator"]), []).append(one["variance"])
    lines = []
    for (count, name), values in sorted(found.items()):
        mean, spread = sum(values) / len(values), (max(values) - min(values)) / 2
        lines.append([f"{count:,}", name, f"{mean:.3g} ± {spread:.1g}", str(len(values))])
    return markdown.table(["steps", "estimator", "variance", "seeds"], lines)


TABLES: dict[str, Callable[[list[dict]], str]] = {
    "correctness": correctness,
    "speed": speed,
    "main": main_job,
    "published": lambda rows: published.table(ran(rows)),
    "estimators": estimators,
}


def page(folder: Path) -> str:
    """All parts that there are results of, a device and a torch version for each."""
    text = ["# Is the zoo right on a GPU, and how fast?", "`python -m benchmarks.gpu` measured:"]
    for name, about in PARTS.items():
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        record = records.read(path)
        rows = [row for row in record["rows"] if not row["small"]]
        if not ran(rows):
            continue
        devices = ", ".join(dict.fromkeys(row["device"] for row in rows))
        made = f"{devices}, {record['date']}, torch {record['versions']['torch']}."
        text += [f"## {name.capitalize()}: {about}", made, TABLES[name](rows), failed(rows)]
    return "\n\n".join(part for part in text if part) + "\n"


def failed(rows: list[dict]) -> str:
    """The rows that did not run, with their errors."""
    lines = [f"- {row['row']} did not run: {row['error']}" for row in rows if "error" in row]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    if not list(asked.results.glob("*.json")):
        parser.error(f"no results in {asked.results}; python -m benchmarks.gpu makes them.")
    asked.page.write_text(page(asked.results))


if __name__ == "__main__":
    main()
