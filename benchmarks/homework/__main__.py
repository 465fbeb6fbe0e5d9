"""Measures false fails and power of every sheet's grader, and writes what the grader prints.

python -m benchmarks.homework [--sheets NAMES] [--students 2] [--draws 20000] [--trainings 100]
"""

import argparse
import json
import time

import torch

from benchmarks.homework.measure import measure
from benchmarks.records import RESULTS, made_now, read, write
from zoo.homework.rates import PATH
from zoo.homework.sheets import find_sheet, sheet_names

KEPT = ("right", "false_fails", "mutants", "killed", "false_fail_bound")


def main() -> None:
    """Measures the sheets one after another; each is written as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", default=",".join(sheet_names()))
    parser.add_argument("--students", type=int, default=2)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--trainings", type=int, default=100)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    path = RESULTS / "homework.json"
    for name in asked.sheets.split(","):
        begun = time.perf_counter()
        found = measure(
            find_sheet(name),
            students=asked.students,
            draws=asked.draws,
            trainings=asked.trainings,
        )
        seconds = round(time.perf_counter() - begun, 1)
        record = read(path) if path.exists() else {"sheets": {}}
        asked_of = {"students": asked.students, "seconds": seconds}
        record["sheets"][name] = asked_of | found | {"made": made_now()}
        write(path, record)
        rates = {
            sheet: {key: each[key] for key in KEPT} for sheet, each in record["sheets"].items()
        }
        PATH.write_text(json.dumps({"sheets": rates}, indent=1) + "\n", encoding="utf-8")
        print(
            f"{name}: {found['false_fails']} of {found['right']} right solutions lost points; "
            f"{found['killed']} of {found['mutants']} mutants were killed ({seconds} s)"
        )


if __name__ == "__main__":
    main()
