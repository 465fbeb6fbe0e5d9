"""Puts the committed results into README.md, between its markers.

zoo compare --out runs/main && cp runs/main/results.json benchmarks/results/main.json
python -m benchmarks.speed.step_time --out benchmarks/results/speed.json
python -m benchmarks.pages.readme
"""

import json
import re
from pathlib import Path

from benchmarks.speed import step_time as speed
from benchmarks.vaes import ladder as vaes_ladder
from zoo.comparison.aggregate import Row, summarise
from zoo.metrics import Metric

HERE = Path(__file__).parents[1]
METRICS = ("elbo", "iwae_10", "iwae_100", "log_evidence", "k_hat")


def main_job() -> str:
    record = json.loads((HERE / "results" / "main.json").read_text())
    rows = [Row(**row | {"metrics": metrics_of(row)}) for row in record["rows"]]
    lines = [
        f"`{record['command']}`: test rows of digits, dynamically binarized, nats per row, "
        f"{len({row.seed for row in rows})} seeds of {rows[0].steps} steps "
        f"(torch {record['versions']['torch']}, {record['threads']} threads).",
        "",
        "| guide | objective | " + " | ".join(METRICS) + " | seconds a fit |",
        "|---|---|" + "---|" * (len(METRICS) + 1),
    ]
    for each in summarise(rows):
        cells = [f"{each.cells[n].value:.3f} ± {each.cells[n].se:.3f}" for n in METRICS]
        shown = " | ".join([each.guide, each.objective, *cells, f"{each.seconds:.1f}"])
        lines.append(f"| {shown} |")
    return "\n".join(lines)


def metrics_of(row: dict) -> dict[str, Metric]:
    return {name: Metric(**metric) for name, metric in row["metrics"].items()}


def speeds() -> str:
    record = json.loads((HERE / "results" / "speed.json").read_text())
    return (
        f"`{record['command']}` ({record['date']}, {record['device']}, torch "
        f"{record['versions']['torch']}): milliseconds a step, and in brackets how many times the "
        f"compiled step's.\n\n{speed.table(record['rows'])}"
    )


def ladder() -> str:
    record = json.loads((HERE / "results" / "vaes" / "ladder.json").read_text())
    rows = record["rows"]
    return (
        f"`{record['command']}` ({record['date']}, torch "
        f"{record['versions']['torch']}): digits, {rows[0]['steps']:,} steps each, "
        f"{len({row['seed'] for row in rows})} seeds, nats per test row.\n\n"
        f"{vaes_ladder.table(rows)}"
    )


def fill(text: str, name: str, body: str) -> str:
    pattern = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{body}\n{m[2]}", text, flags=re.DOTALL)


def filled(text: str) -> str:
    """README.md with every table made anew from its results."""
    text = fill(text, "main job", main_job())
    text = fill(text, "ladder", ladder())
    return fill(text, "speed", speeds())


def main() -> None:
    readme = HERE.parent / "README.md"
    readme.write_text(filled(readme.read_text()))


if __name__ == "__main__":
    main()
