"""Do the public functions say what is wrong with their arguments, or fail deep inside?

    python -m benchmarks.robustness.fuzz --out benchmarks/results/fuzz.json

Calls with arguments of wrong types, out of range, empty, not finite, misspelt and so on, drawn by
fixed seeds; see fuzz_calls.py. Each is accepted, refused by the zoo in a sentence of its own,
refused by Python for a keyword that the function does not have, or ended by what the user's own
model raised. Any other exception is foreign; there should be none.
"""

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.robustness.fuzz_calls import calls
from benchmarks.robustness.fuzz_doors import task
from benchmarks.robustness.fuzz_outcomes import OUTCOMES, Call, outcome
from zoo.isolation import isolated


def run(count: int, seed: int, *, tell: bool = False) -> tuple[dict, list[dict]]:
    """The outcomes of that many calls, counted by door and kind, and every foreign exception."""
    table, foreign = defaultdict(Counter), []
    with isolated(seed=seed):
        for number, call in enumerate(calls(count, seed)):
            found, error = outcome(call)
            table[call.door, group_of(call)][found] += 1
            if found == "foreign":
                foreign.append(record_of(call, number, error))
                if tell:
                    print(json.dumps(foreign[-1]), flush=True)
    return table, foreign


def group_of(call: Call) -> str:
    """The kind without its detail."""
    return call.kind.split(":")[0]


def record_of(call: Call, number: int, error: Exception | None) -> dict:
    """A foreign exception in words."""
    trace, places = error.__traceback__ if error else None, []
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return {
        "number": number,
        "door": call.door,
        "kind": call.kind,
        "arguments": call.said,
        "error": f"{type(error).__name__}: {str(error)[:150]}",
        "at": places[-4:],
    }


def by(table: dict, part: int) -> dict[str, dict[str, int]]:
    """Counts by door (0) or by kind (1)."""
    found = defaultdict(Counter)
    for key, counts in table.items():
        found[key[part]].update(counts)
    return {name: {one: found[name][one] for one in OUTCOMES} for name in sorted(found)}


def show(counts: dict[str, dict[str, int]], heading: str) -> Table:
    """A line for each, and the sum."""
    view = Table()
    for column in (heading, *OUTCOMES):
        view.add_column(column, justify="left" if column == heading else "right")
    for name, row in counts.items():
        view.add_row(name, *map(str, row.values()))
    total = [sum(row[one] for row in counts.values()) for one in OUTCOMES]
    view.add_row("all", *map(str, total))
    return view


def main() -> None:
    """Makes the calls, prints the tables, writes the record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    table, foreign = run(asked.calls, asked.seed, tell=True)
    console = Console(width=110)
    console.print(show(by(table, 0), "door"))
    console.print(show(by(table, 1), "kind"))
    if asked.out is not None:
        about = records.made_now(task().data)
        record = {"calls": asked.calls, "seed": asked.seed, "provenance": about}
        record |= {"doors": by(table, 0), "kinds": by(table, 1), "foreign": foreign}
        records.write(asked.out, record)


if __name__ == "__main__":
    main()
