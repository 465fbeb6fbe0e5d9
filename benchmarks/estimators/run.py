"""Are the gradient estimators right, and what do they cost? Against what is known exactly.

    python -m benchmarks.estimators.run                     # all sections
    python -m benchmarks.estimators.run toys reinforce      # two of them
    DRAWS=10000 python -m benchmarks.estimators.run networks
    python -m benchmarks.pages.estimators                # docs/estimators.md and its pictures

Each section prints its table and writes its own JSON into the folder `--out`, as it grows.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

import zoo
from benchmarks.estimators import baseline as estimators_baseline
from benchmarks.estimators import fashion as estimators_fashion
from benchmarks.estimators import networks as estimators_networks
from benchmarks.estimators import p_values as estimators_p_values
from benchmarks.estimators import particles as estimators_particles
from benchmarks.estimators import reinforce as estimators_reinforce
from benchmarks.estimators import toys as estimators_toys
from benchmarks.estimators import wake_sleep as estimators_wake_sleep
from zoo.provenance import provenance

RESULTS = Path(__file__).parents[1] / "results" / "estimators"
SECTIONS = {
    "toys": estimators_toys,
    "reinforce": estimators_reinforce,
    "networks": estimators_networks,
    "particles": estimators_particles,
    "p_values": estimators_p_values,
    "baseline": estimators_baseline,
    "wake_sleep": estimators_wake_sleep,
    "fashion": estimators_fashion,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"Expected sections among {', '.join(SECTIONS)}; got {', '.join(unknown)}.")
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.sections or SECTIONS:
        section, begin = SECTIONS[name], time.perf_counter()
        for found in section.run():
            task = found.get("task") or zoo.load("eight_schools")
            record = provenance(task.data) | {"date": str(date.today())}
            record |= {"seconds": round(time.perf_counter() - begin)}
            record |= {key: value for key, value in found.items() if key != "task"}
            (asked.out / f"{name}.json").write_text(json.dumps(record, indent=1))
        print(section.table(json.loads(json.dumps(record))), flush=True)


if __name__ == "__main__":
    main()
