"""The autoencoders on real pictures: a ladder at one budget, and what was published for them.

    python -m benchmarks.vaes.run                          # all sections
    python -m benchmarks.vaes.run ladder                   # one of those below: SECTIONS
    python -m benchmarks.vaes.run published --share 0.1    # a tenth of the published steps
    python -m benchmarks.pages.gallery                       # docs/gallery.md and its pictures

Each section prints its table and writes its own JSON into the folder `--out`, row by row. A row
replaces that of the same name and seed, and those of its name with another share of the steps; the
others stay as they were. Published settings of other lengths are other rows.
"""

import argparse
import json
from datetime import date
from pathlib import Path

from benchmarks.vaes import bounds as vaes_bounds
from benchmarks.vaes import gaps as vaes_gaps
from benchmarks.vaes import kl_term as vaes_kl
from benchmarks.vaes import ladder as vaes_ladder
from benchmarks.vaes import likelihoods as vaes_likelihoods
from benchmarks.vaes import priors as vaes_priors
from benchmarks.vaes import published as vaes_published
from benchmarks.vaes import structures as vaes_structures
from zoo.provenance import provenance

RESULTS = Path(__file__).parents[1] / "results" / "vaes"
MADE = ("command", "commit", "date")
SECTIONS = {  # name -> what runs it, and what its rows are named by
    "ladder": (vaes_ladder, ("variant",)),
    "priors": (vaes_priors, ("prior",)),
    "bounds": (vaes_bounds, ("trained by",)),
    "likelihoods": (vaes_likelihoods, ("likelihood",)),
    "structures": (vaes_structures, ("structure",)),
    "kl": (vaes_kl, ("KL term",)),
    "published": (vaes_published, ("setting", "steps")),
    "gaps": (vaes_gaps, ("trained with",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--share", type=float, default=1.0, help="of each setting's steps")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", help="settings whose name holds this text")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"Expected sections among {', '.join(SECTIONS)}; got {', '.join(unknown)}.")
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.sections or SECTIONS:
        (section, heads), path = SECTIONS[name], asked.out / f"{name}.json"
        for task, row in section.run(asked.share, asked.seeds, asked.only or "", asked.out):
            record = provenance(task.data) | {"date": str(date.today())}
            row |= {"share": asked.share} | {key: record[key] for key in MADE}
            print(row, flush=True)
            record["rows"] = [*others(path, heads, row), row]
            path.write_text(json.dumps(record, indent=1))
        if path.exists():
            print(section.table(json.loads(path.read_text())["rows"]), flush=True)


def others(path: Path, heads: tuple[str, ...], row: dict) -> list[dict]:
    """The rows that the file holds, without that of the same name and seed or another length."""
    held = json.loads(path.read_text())["rows"] if path.exists() else []
    return [
        old
        for old in held
        if any(old[head] != row[head] for head in heads)
        or (old["seed"] != row["seed"] and old["share"] == row["share"])
    ]


if __name__ == "__main__":
    main()
