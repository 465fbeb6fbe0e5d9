"""Puts the committed results into README.md and docs/speed.md, between their markers.

python -m benchmarks.vaes.held
zoo compare --out runs/main && cp runs/main/results.json benchmarks/results/main.json
python -m benchmarks.speed.step_time --out benchmarks/results/speed.json
python -m benchmarks.speed.scans --out benchmarks/results/scans.json
python -m benchmarks.pages.readme
"""

from pathlib import Path

from benchmarks import markdown, records
from benchmarks.pages import verdicts
from benchmarks.speed import scans, step_time
from benchmarks.vaes import held
from zoo.comparison.aggregate import Row, summarise
from zoo.comparison.folder import metrics_of

README = records.DOCS.parent / "README.md"
METRICS = ("elbo", "iwae_10", "iwae_100", "log_evidence", "k_hat")


def main_job() -> str:
    """What the README's first comparison found."""
    record = records.read(records.RESULTS / "main.json")
    rows = [Row(**row | {"metrics": metrics_of(row["metrics"])}) for row in record["rows"]]
    lines = []
    for each in summarise(rows):
        cells = [f"{each.cells[n].value:.3f} ± {each.cells[n].se:.3f}" for n in METRICS]
        lines.append([each.guide, each.objective, *cells, f"{each.seconds:.1f}"])
    return (
        f"`{record['command']}`: test rows of digits, dynamically binarized, nats per row, "
        f"{len({row.seed for row in rows})} seeds of {rows[0].steps} steps "
        f"(torch {record['versions']['torch']}, {record['threads']} threads).\n\n"
        + markdown.table(("guide", "objective", *METRICS, "seconds a fit"), lines)
    )


def speeds() -> str:
    """Milliseconds a step beside the rivals."""
    record = records.read(records.RESULTS / "speed.json")
    return (
        f"`{record['command']}` ({record['date']}, {record['device']}, torch "
        f"{record['versions']['torch']}): milliseconds a step, and in brackets how many times the "
        f"compiled step's.\n\n{step_time.table(record['rows'])}"
    )


def loops() -> str:
    """What a loop over T times costs, written out and as a scan."""
    record = records.read(records.RESULTS / "scans.json")
    return (
        f"`{record['command']}` ({record['date']}, torch {record['versions']['torch']}): CPU "
        "milliseconds of a step, and CPU seconds to build it, the C++ compiler's included.\n\n"
        f"{scans.table(record['rows'])}"
    )


def held_fixed() -> str:
    """Five guides under one decoder."""
    record = records.read(records.RESULTS / "held.json")
    return (
        f"Test rows of digits, nats per row, {held.SEEDS} seeds of {held.STEPS} steps (torch "
        f"{record['versions']['torch']}, {record['threads']} threads):\n\n{held.table(record)}"
    )


def verdict() -> str:
    """How often the verdict's third answer is right."""
    return verdicts.in_short(records.read(records.RESULTS / "verdicts.json"))


TABLES = {
    README: {"held": held_fixed, "main job": main_job, "verdict": verdict},
    records.DOCS / "speed.md": {"speed": speeds, "scans": loops},
}


def filled(path: Path) -> str:
    """A page with its tables made anew from the results."""
    page = path.read_text()
    for name, body in TABLES[path].items():
        page = markdown.fill(page, name, body())
    return page


def main() -> None:
    for path in TABLES:
        path.write_text(filled(path))


if __name__ == "__main__":
    main()
