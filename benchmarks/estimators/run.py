"""Are the gradient estimators right, and what do they cost? Against what is known exactly.

    python -m benchmarks.estimators.run                     # all sections
    python -m benchmarks.estimators.run toys reinforce      # two of them
    DRAWS=10000 python -m benchmarks.estimators.run networks
    python -m benchmarks.pages.estimators                # docs/estimators.md and its pictures

Each section prints its table and writes its own JSON into the folder `--out`, as it grows.
"""

import argparse
import time
from pathlib import Path

from benchmarks import records
from benchmarks.estimators import (
    baseline,
    fashion,
    networks,
    p_values,
    particles,
    reinforce,
    toys,
    wake_sleep,
)

RESULTS = records.RESULTS / "estimators"
SECTIONS = {
    "toys": toys,
    "reinforce": reinforce,
    "networks": networks,
    "particles": particles,
    "p_values": p_values,
    "baseline": baseline,
    "wake_sleep": wake_sleep,
    "fashion": fashion,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=SECTIONS, help="default: all of them")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    for name in asked.sections or SECTIONS:
        path = asked.out / f"{name}.json"
        measure(name, path)
        print(SECTIONS[name].table(records.read(path)), flush=True)


def measure(name: str, path: Path) -> None:
    """Runs a section; writes its record each time that it has grown."""
    begin = time.perf_counter()
    for found in SECTIONS[name].run():
        task = found.pop("task", None)
        record = records.made_now(None if task is None else task.data)
        record |= {"seconds": round(time.perf_counter() - begin)}
        records.write(path, record | found)


if __name__ == "__main__":
    main()
