"""Puts the measured tables into docs/estimators.md, between its markers, and draws its pictures.

python -m benchmarks.estimators.run
python -m benchmarks.pages.estimators
"""

import json
from pathlib import Path

from benchmarks.estimators import baseline as estimators_baseline
from benchmarks.estimators import fashion as estimators_fashion
from benchmarks.estimators import networks as estimators_networks
from benchmarks.estimators import p_values as estimators_p_values
from benchmarks.estimators import particles as estimators_particles
from benchmarks.estimators import reinforce as estimators_reinforce
from benchmarks.estimators import toys as estimators_toys
from benchmarks.estimators import wake_sleep as estimators_wake_sleep
from benchmarks.estimators.run import RESULTS
from benchmarks.pages.readme import fill

DOCS = Path(__file__).parents[2] / "docs"
TABLES = {
    "toys": estimators_toys.table,
    "reinforce": estimators_reinforce.table,
    "networks": estimators_networks.table,
    "particles": estimators_particles.table,
    "p_values": estimators_p_values.table,
    "baseline": estimators_baseline.table,
    "wake_sleep": estimators_wake_sleep.table,
    "fashion": estimators_fashion.table,
}
PICTURES = {
    "reinforce": estimators_reinforce.picture,
    "networks": estimators_networks.picture,
    "wake_sleep": estimators_wake_sleep.picture,
    "fashion": estimators_fashion.picture,
}


def record_of(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def filled(text: str) -> str:
    """The page with every table made anew from its results."""
    for name, table in TABLES.items():
        record = record_of(name)
        said = f"`{record['command']}`, {record['date']}, torch {record['versions']['torch']}, cpu"
        text = fill(text, name, f"{table(record)}\n\n{said}, {record['seconds']} s.")
    return text


def main() -> None:
    page = DOCS / "estimators.md"
    page.write_text(filled(page.read_text()))
    for name, picture in PICTURES.items():
        picture(record_of(name), DOCS / f"estimators_{name}.png")


if __name__ == "__main__":
    main()
