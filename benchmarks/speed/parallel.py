"""What does a step cost on two ranks? A VAE in one process, on one and two threads, beside them.

    python -m benchmarks.speed.parallel --out benchmarks/results/parallel.json   # 4 minutes

The VAE is 784-400-20 with the plain step in float32; two ranks of one thread each exchange
gradients by gloo on one machine. The settings take turns, several times over, each in processes
of its own. A figure is the fastest turn, and `load` the machine's load average before it: above
the number of cores, other work slows what waits for a second core.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks import markdown, records
from benchmarks.speed.timing import best_of, task_of
from zoo.isolation import isolated
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.training.parallel.joining import joined
from zoo.training.run import prepare

ROOT = Path(__file__).parents[2]
ROW = "bernoulli_vae/amortised_normal/1"
BATCHES = (128, 1024)
SETTINGS = {  # name -> (processes, threads of each)
    "one process, one thread": (1, 1),
    "one process, two threads": (1, 2),
    "two ranks, one thread each": (2, 1),
}
TURNS = 3


def measure(batch: int, threads: int) -> dict | None:
    """Seconds of a step and of its exchange, in this process; None on ranks other than 0."""
    torch.set_num_threads(threads)
    task, guide, objective, _, lr = task_of(ROW)
    settings, count = Settings(objective, 10, Update(lr=lr), batch, 0), max(5, 3_200 // batch)
    with joined("cpu") as ranks, isolated(seed=0):
        trainer = prepare(task, guide, settings, "cpu", None, ranks).trainer
        step = best_of(trainer.advance, count, 3)
        vector = trainer.vector()

        def exchange(times: int) -> None:
            for _ in range(times):
                ranks.add_up(vector.zero_())

        seconds = best_of(exchange, 50, 3) if ranks.several else 0.0
    if not ranks.first:
        return None
    return {"step": step, "exchange": seconds, "numbers": vector.numel()}


def one_turn(batch: int, name: str) -> dict:
    """Runs a setting in processes of its own."""
    processes, threads = SETTINGS[name]
    program = ["-m", "benchmarks.speed.parallel", "--one", str(batch), str(threads)]
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(start if processes > 1 else []), *program]
    load, several = os.getloadavg()[0], os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, cwd=ROOT, env=several, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"load": round(load, 2)}


def rows_of(turns: int) -> list[dict]:
    """A row for each setting: its fastest turn."""
    found = {(batch, name): [] for batch in BATCHES for name in SETTINGS}
    for _ in range(turns):
        for batch, name in found:
            found[batch, name].append(one_turn(batch, name))
            print(json.dumps({"batch": batch, "setting": name} | found[batch, name][-1]))
    rows = []
    for (batch, name), several in found.items():
        best = min(several, key=lambda one: one["step"])
        one = min(turn["step"] for turn in found[batch, next(iter(SETTINGS))])
        rows.append(
            {
                "batch": batch,
                "setting": name,
                "steps_per_second": 1 / best["step"],
                "of_one_thread": one / best["step"],
                "exchange_ms": best["exchange"] * 1e3,
                "numbers": best["numbers"],
                "load": best["load"],
                "turns_ms": [turn["step"] * 1e3 for turn in several],
            }
        )
    return rows


def table(rows: list[dict]) -> str:
    heads = ["batch", "setting", "steps a second", "of one thread", "exchange alone", "load"]
    lines = [
        [
            str(row["batch"]),
            row["setting"],
            f"{row['steps_per_second']:.1f}",
            f"{row['of_one_thread']:.2f}x",
            f"{row['exchange_ms']:.2f} ms" if row["exchange_ms"] else "-",
            f"{row['load']:.1f}",
        ]
        for row in rows
    ]
    return markdown.table(heads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--one", nargs=2, type=int, help="batch and threads, in this process")
    asked = parser.parse_args()
    if asked.one:
        found = measure(*asked.one)
        if found is not None:
            print(json.dumps(found))
        return
    rows = rows_of(asked.turns)
    print(table(rows))
    if asked.out:
        about = {"device": "cpu", "cores": os.cpu_count(), "backend": "gloo", "turns": asked.turns}
        records.write(asked.out, records.made_now() | about | {"rows": rows})


if __name__ == "__main__":
    main()
