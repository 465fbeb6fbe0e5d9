"""The autoencoders on real pictures: a ladder at one budget, and what was published for them.

    python -m benchmarks.vaes.run                          # all sections
    python -m benchmarks.vaes.run ladder                   # one of those below: SECTIONS
    python -m benchmarks.vaes.run published --share 0.1    # a tenth of the published steps
    python -m benchmarks.pages.gallery                     # docs/gallery.md and its pictures

Each section prints its table and writes its own JSON into the folder `--out`, row by row. A new
row replaces that of the same name and seed, and those of the same name with another share of the
steps; the others stay as they were. Published settings are named by their steps too, so that runs
of other lengths stay side by side.
"""

import argparse
from pathlib import Path

from benchmarks import records
from benchmarks.vaes import (
    bounds,
    gaps,
    kl_term,
    ladder,
    likelihoods,
    priors,
    published,
    structures,
)

RESULTS, ALL = records.RESULTS / "vaes", "all"
SECTIONS = {  # name -> what runs it, and what its rows are named by
    "ladder": (ladder, ("variant",)),
    "priors": (priors, ("prior",)),
    "bounds": (bounds, ("trained by",)),
    "likelihoods": (likelihoods, ("likelihood",)),
    "structures": (structures, ("structure",)),
    "kl": (kl_term, ("KL term",)),
    "published": (published, ("setting", "steps")),
    "gaps": (gaps, ("trained with",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, ALL], default=ALL)
    parser.add_argument("--share", type=float, default=1.0, help="of each setting's steps")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="settings whose name holds this text")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    for name in SECTIONS if ALL in asked.sections else asked.sections:
        path = asked.out / f"{name}.json"
        measure(name, path, asked.share, asked.seeds, asked.only)
        if path.exists():
            print(SECTIONS[name][0].table(records.read(path)["rows"]), flush=True)


def measure(name: str, path: Path, share: float, seeds: int, only: str) -> None:
    """Runs a section; writes its record after each row."""
    section, heads = SECTIONS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    for task, row in section.run(share, seeds, only, path.parent):
        record = records.made_now(task.data)
        row |= {"share": share} | {key: record[key] for key in records.MADE}
        print(row, flush=True)
        records.write(path, record | {"rows": [*others(path, heads, row), row]})


def others(path: Path, heads: tuple[str, ...], row: dict) -> list[dict]:
    """The rows that the file holds, without those that this row replaces."""
    held = records.read(path)["rows"] if path.exists() else []
    return [
        old
        for old in held
        if any(old[head] != row[head] for head in heads)
        or (old["seed"] != row["seed"] and old["share"] == row["share"])
    ]


if __name__ == "__main__":
    main()
