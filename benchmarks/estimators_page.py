"""Puts the measured tables into docs/estimators.md, between its markers, and draws its pictures.

python benchmarks/estimators.py
python benchmarks/estimators_page.py
"""

import json
from pathlib import Path

import estimators_baseline
import estimators_fashion
import estimators_networks
import estimators_p_values
import estimators_reinforce
import estimators_toys
import estimators_wake_sleep
from estimators import RESULTS
from fill_readme import fill

DOCS = Path(__file__).parent.parent / "docs"
TABLES = {
    "toys": estimators_toys.table,
    "reinforce": estimators_reinforce.table,
    "networks": estimators_networks.table,
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


def main() -> None:
    page = DOCS / "estimators.md"
    text = page.read_text()
    for name, table in TABLES.items():
        source = RESULTS / f"{name}.json"
        if not source.exists():
            continue
        record = json.loads(source.read_text())
        said = f"`{record['command']}`, {record['date']}, torch {record['versions']['torch']}, cpu"
        text = fill(text, name, f"{table(record)}\n\n{said}, {record['seconds']} s.")
        if name in PICTURES:
            PICTURES[name](record, DOCS / f"estimators_{name}.png")
    page.write_text(text)


if __name__ == "__main__":
    main()
