"""Five guides under one decoder that is held fixed: the first picture of README.

    python -m benchmarks.vaes.held --out benchmarks/results   # held.json and docs/held.png

It is the comparison of `COMMAND`, with the differences between guides, paired by seed and row. An
earlier run of that command in runs/hold is taken up.
"""

import argparse
import math
from dataclasses import asdict
from pathlib import Path

import zoo
from benchmarks import markdown, records
from zoo.comparison.aggregate import Row, Summary, record_of, summarise
from zoo.comparison.folder import metrics_of
from zoo.comparison.paired import Difference
from zoo.comparison.pictures import bound_figure
from zoo.figure_style import save_figure

GUIDES = (
    "amortised_normal",
    "amortised_full_rank",
    "amortised_planar",
    "amortised_iaf",
    "amortised_spline",
)
SEEDS, STEPS, FOLDER = 3, 3000, "runs/hold"
COMMAND = (
    f"zoo compare bernoulli_vae --hold --guides {','.join(GUIDES)} --steps {STEPS} "
    f"--seeds {SEEDS} --objectives trace --out {FOLDER}"
)


def run(folder: str) -> dict:
    """Runs the comparison, or takes up what is whole, and puts it into a record."""
    found = zoo.compare(
        "bernoulli_vae", GUIDES, hold=True, steps=STEPS, seeds=SEEDS, progress=True, out=folder,
        resume=True,
    )  # fmt: skip
    made = records.made_now(found.task.data) | {"command": COMMAND}
    rows = [record_of(row) for row in found.rows]
    return made | {"rows": rows, "differences": [asdict(one) for one in found.differences()]}


def table(record: dict) -> str:
    """A line for each guide: its ELBO, and how far it is below the best guide."""
    summaries = _summaries(record)
    best = max(summaries, key=lambda one: one.cells["elbo"].value)
    lines = []
    for one in summaries:
        cells = [f"{one.cells[n].value:.3f} ± {one.cells[n].se:.3f}" for n in ("elbo", "iwae_100")]
        lines.append(
            [one.guide, *cells, _below(record, one.guide, best.guide), f"{one.seconds:.0f}"]
        )
    head = ("guide", "ELBO", "iwae_100", "below the best guide", "seconds a fit")
    return markdown.table(head, lines)


def picture(record: dict, path: Path) -> None:
    """The bounds of every guide, up to the estimate of log p(x)."""
    save_figure(bound_figure(_summaries(record), None), path)


def _summaries(record: dict) -> list[Summary]:
    return summarise(
        [Row(**row | {"metrics": metrics_of(row["metrics"])}) for row in record["rows"]]
    )


def _below(record: dict, guide: str, best: str) -> str:
    if guide == best:
        return "-"
    (one,) = (
        Difference(**found)
        for found in record["differences"]
        if {found["first"][0], found["second"][0]} == {guide, best}
    )
    assert not math.isnan(one.judged_by)
    return f"{abs(one.value):.3f} ± {one.judged_by:.3f}{'' if one.clear else ' (not clear)'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS)
    parser.add_argument("--folder", default=FOLDER, help="of the comparison")
    asked = parser.parse_args()
    record = run(asked.folder)
    records.write(asked.out / "held.json", record)
    picture(record, records.DOCS / "held.png")
    print(table(record))


if __name__ == "__main__":
    main()
