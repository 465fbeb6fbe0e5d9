"""Puts the committed results into README.md, between its markers.

zoo compare --out runs/main && cp runs/main/results.json benchmarks/results/main.json
python -m benchmarks.speed.step_time --out benchmarks/results/speed.json
python -m benchmarks.pages.readme
"""

from benchmarks import markdown, records
from benchmarks.speed import step_time
from benchmarks.vaes.ladder import table as ladder_table
from zoo.comparison.aggregate import Row, summarise
from zoo.metrics import Metric

README = records.DOCS.parent / "README.md"
METRICS = ("elbo", "iwae_10", "iwae_100", "log_evidence", "k_hat")


def main_job() -> str:
    """What the README's first comparison found."""
    record = records.read(records.RESULTS / "main.json")
    rows = [Row(**row | {"metrics": metrics_of(row)}) for row in record["rows"]]
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


def metrics_of(row: dict) -> dict[str, Metric]:
    return {name: Metric(**metric) for name, metric in row["metrics"].items()}


def speeds() -> str:
    """Milliseconds a step beside the rivals."""
    record = records.read(records.RESULTS / "speed.json")
    return (
        f"`{record['command']}` ({record['date']}, {record['device']}, torch "
        f"{record['versions']['torch']}): milliseconds a step, and in brackets how many times the "
        f"compiled step's.\n\n{step_time.table(record['rows'])}"
    )


def ladder() -> str:
    """The autoencoders at one budget."""
    record = records.read(records.RESULTS / "vaes" / "ladder.json")
    rows = record["rows"]
    return (
        f"`{record['command']}` ({record['date']}, torch "
        f"{record['versions']['torch']}): digits, {rows[0]['steps']:,} steps each, "
        f"{len({row['seed'] for row in rows})} seeds, nats per test row.\n\n"
        f"{ladder_table(rows)}"
    )


def filled(text: str) -> str:
    """README.md with every table made anew from its results."""
    for name, body in (("main job", main_job), ("ladder", ladder), ("speed", speeds)):
        text = markdown.fill(text, name, body())
    return text


def main() -> None:
    README.write_text(filled(README.read_text()))


if __name__ == "__main__":
    main()
