"""Which guide gets which posterior right, at what cost, and does the verdict notice when not?

    python -m benchmarks.posteriors                                  # everything, hours
    python -m benchmarks.posteriors --targets banana --guides iaf --seeds 1
    python -m benchmarks.pages.posteriors                            # docs/posteriors.md

Every fit is written as it ends; the same command goes on where the file ends. Seeds are the outer
loop, so that a run cut short has all pairs of the seeds that it reached. With --again, the fits
asked for are made anew.
"""

import argparse
import warnings
from pathlib import Path

from benchmarks import records
from benchmarks.posteriors.fits import Row, guides_on, row_of
from benchmarks.posteriors.targets import TARGETS, Target, Truth, truth_of
from zoo.checks.arguments import look_up

RESULT = "posteriors.json"


def key_of(row: Row) -> tuple[str, str, int]:
    """What a fit is told apart by."""
    return row["target"], row["guide"], row["seed"]


def ordered(rows: list[Row]) -> list[Row]:
    """By target as listed, guide and seed."""
    place = {target.name: i for i, target in enumerate(TARGETS)}
    return sorted(rows, key=lambda row: (place.get(row["target"], len(place)), *key_of(row)[1:]))


def run(targets: list[Target], guides: list[str] | None, seeds: int, out: Path) -> None:
    """Makes the fits that the file lacks, and writes it after each."""
    record = records.read(out) if out.exists() else {"rows": []}
    done = {key_of(row) for row in record["rows"]}
    known: dict[str, tuple[Truth | None, list[str]]] = {}
    for seed in range(seeds):
        for target in targets:
            if target.name not in known:
                task = target.load()
                known[target.name] = truth_of(task), guides_on(task)
            truth, suitable = known[target.name]
            for guide in [name for name in suitable if guides is None or name in guides]:
                if (target.name, guide, seed) in done:
                    continue
                row = row_of(target, truth, guide, seed)
                print(_line(row), flush=True)
                made = records.made_now() | {"command": "python -m benchmarks.posteriors"}
                kind = record.get("truth", {}) | {target.name: truth.kind if truth else "none"}
                pairs = record.get("suitable", {}) | {target.name: suitable}
                rows = ordered([*record["rows"], row])
                record = made | {"truth": kind, "suitable": pairs, "rows": rows}
                records.write(out, record)


def _line(row: Row) -> str:
    name = f"{row['target']}, {row['guide']}, seed {row['seed']}"
    if "refused" in row:
        return f"{name}: refused: {row['refused']}"
    off = ", ".join(f"{n} {row[n]:.2g}" for n in ("mean_worst", "sd_worst") if n in row)
    return f"{name}: {off}; draws {row['verdict']['draws']}; {row['seconds']:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", help="comma-separated names; default: all")
    parser.add_argument("--guides", help="comma-separated names; default: all that pair")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="make these fits anew")
    parser.add_argument("--out", type=Path, default=records.RESULTS / RESULT)
    asked = parser.parse_args()
    named = {target.name: target for target in TARGETS}
    names = asked.targets.split(",") if asked.targets else list(named)
    targets = [look_up("target", name, named) for name in names]
    guides = asked.guides.split(",") if asked.guides else None
    if asked.again and asked.out.exists():
        record = records.read(asked.out)
        record["rows"] = [
            row
            for row in record["rows"]
            if row["target"] not in names or (guides and row["guide"] not in guides)
        ]
        records.write(asked.out, record)
    warnings.simplefilter("ignore")
    run(targets, guides, asked.seeds, asked.out)


if __name__ == "__main__":
    main()
