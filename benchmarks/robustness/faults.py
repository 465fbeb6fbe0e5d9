"""Is anything lost when a process is killed? Resumed results beside uninterrupted ones.

    python -m benchmarks.robustness.faults --out benchmarks/results/faults.json   # 40 kills

`zoo fit`, `zoo compare` and zoo.fit with replicas, on the plain and the compiled path, write a
checkpoint after every block of steps and are killed (kill -9) at random moments, two to a run,
two of three of them after the first checkpoint.
After each kill every fit in the folder is loaded, which checks every checksum: one that cannot be
loaded is a half file. The run then goes on, and its end is compared with that of a run that
nothing disturbed: the SHA-256 of all tensors (parameters, moments of the optimizer, losses, the
random state), and every metric, to the last bit. Also measured: what a checkpoint costs.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import markdown

KILLS, SEED = 40, 0
PER_RUN = 2  # kills of one run before it may end
FIT = ("fit", "eight_schools", "--guide", "mean_field", "--metrics", "elbo", "--draws", "20")
COMPARE = ("compare", "eight_schools", "--guides", "mean_field,full_rank", "--objectives", "trace")
COMPARE += ("--seeds", "2", "--draws", "20")
OFTEN = ("--checkpoint-seconds", "0", "--resume")
JOBS = {  # name -> words of the command, or steps and path of replicas by zoo.fit
    "fit, plain": (*FIT, "--steps", "300", "--compile", "off"),
    "replicas, plain": (100, False),
    "compare, plain": (*COMPARE, "--steps", "100", "--compile", "off"),
    "fit, compiled": (*FIT, "--steps", "20000", "--compile", "on"),
    "replicas, compiled": (10000, True),
    "compare, compiled": (*COMPARE, "--steps", "10000", "--compile", "on"),
}
STATE_SIZES = (10_000, 1_000_000, 10_000_000)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["zoo.cli.app", "zoo.comparison.compare"])


def work(words: tuple, folder: str) -> None:
    """One job from its beginning, or from what is in the folder; runs in a process of its own."""
    import guides
    import zoo
    from zoo.cli.app import app

    torch.set_num_threads(1)
    sys.stdout = Path(os.devnull).open("w")
    if isinstance(words[0], int):
        steps, compiled = words
        zoo.fit(
            zoo.load("eight_schools"),
            guides.MeanField,
            steps=steps,
            replicas=3,
            compile=compiled,
            checkpoint=zoo.Checkpoint(folder, seconds=0),
            resume=folder,
        )
    else:
        app([*words, "--out", folder, *OFTEN, "--json"], standalone_mode=False)


def run(
    words: tuple, folder: Path, after: float | None = None, *, training: bool = False
) -> tuple[float, float, bool]:
    """Runs a job; kills it so many seconds after its start, or after its first checkpoint.

    Returns:
        Seconds from the start, and from the first checkpoint, to the end; was it killed?
    """
    process = CONTEXT.Process(target=work, args=(words, str(folder)))
    started = first = time.time()
    process.start()
    while process.exitcode is None and not _written(folder, started):
        if after is not None and not training and time.time() - started > after:
            break
        time.sleep(0.005)
        first = time.time()
    spent = 0.0 if training else time.time() - started
    process.join(None if after is None else max(0.0, after - spent))
    killed = process.exitcode is None
    if killed:
        process.kill()
        process.join()
    elif process.exitcode != 0:
        raise RuntimeError(f"{words} ended with status {process.exitcode}.")
    return time.time() - started, time.time() - first, killed


def _written(folder: Path, since: float) -> bool:
    """Was a checkpoint written since then?"""
    return any(path.stat().st_mtime >= since for path in folder.rglob("fit.json"))


def result(folder: Path) -> dict:
    """All numbers of a job that came to its end."""
    found = {}
    for path in sorted(folder.rglob("fit.json")):
        record = json.loads(path.read_text())
        for i, fit in enumerate(record.get("replicas", [record.get("fit")])):
            name = f"{path.parent.relative_to(folder)}/{i}"
            found[name] = {key: fit[key] for key in ("steps_taken", "stopped", "valid", "backend")}
            found[name]["state"] = fit["state"]["sha256"]
    for path in sorted(folder.rglob("metrics.json")):
        found[str(path.relative_to(folder))] = json.loads(path.read_text())
    for path in folder.glob("results.json"):
        rows = json.loads(path.read_text())["rows"]
        found["rows"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return found


def half_files(folder: Path) -> int:
    """Fits and results in the folder that cannot be read."""
    from zoo.training.checkpoint import read

    bad = 0
    for path in [*folder.rglob("fit.json"), *folder.rglob("*.json")]:
        try:
            read(path.parent) if path.name == "fit.json" else json.loads(path.read_text())
        except ValueError as error:
            print(error, flush=True)
            bad += 1
    return bad


def steps_there(folder: Path) -> int:
    """Steps that all fits in the folder have taken together."""
    count = 0
    for path in folder.rglob("fit.json"):
        record = json.loads(path.read_text())
        fits = record.get("replicas", [record.get("fit")])
        count += sum(fit["steps_taken"] for fit in fits if fit is not None)
    return count


def faults(name: str, kills: int, scratch: Path, *, seed: int = SEED) -> dict:
    """Kills one job at random moments, some to a run, and compares its ends."""
    words, chance = JOBS[name], random.Random(f"{name} {seed}")
    whole = scratch / "whole"
    run(words, scratch / "first")  # compiles, and fills the caches of the system
    seconds, training, _ = run(words, whole)
    expected, moments, equal, runs, half = result(whole), [], 0, 0, 0
    while len(moments) < kills:
        folder = scratch / f"run{runs}"
        for _ in range(min(PER_RUN, kills - len(moments))):
            late = len(moments) % 3 > 0  # two of three while it trains
            after = chance.uniform(0.0, training if late else seconds)
            if not run(words, folder, after, training=late)[-1]:
                break  # it came to its end before
            half += half_files(folder)
            moments.append({"after": after, "training": late, "steps": steps_there(folder)})
        run(words, folder)
        equal += result(folder) == expected
        runs += 1
    return {
        "job": name,
        "kills": len(moments),
        "runs": runs,
        "equal": equal,
        "half_files": half,
        "seconds": seconds,
        "moments": moments,
    }


def cost(size: int, scratch: Path) -> dict:
    """Seconds that one checkpoint of so many parameters takes, under Adam; the median of five."""
    import zoo

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(size))

        def forward(self, x: torch.Tensor) -> None:
            import pyro
            import pyro.distributions as dist

            pyro.sample("x", dist.Normal(self.weight.mean(), 1.0), obs=x)

    fit = zoo.fit(Bare(), lambda x: None, torch.zeros(()), steps=2, device="cpu")
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        zoo.save(fit, scratch / str(size))
        taken.append(time.perf_counter() - started)
    (state,) = (scratch / str(size)).glob("state-*")
    seconds = statistics.median(taken)
    return {"parameters": size, "bytes": state.stat().st_size, "seconds": seconds}


def table(record: dict) -> str:
    """The results as Markdown."""
    keys = ("job", "kills", "runs", "equal", "half_files")
    kills = [[*(str(row[k]) for k in keys), f"{row['seconds']:.1f}"] for row in record["rows"]]
    costs = []
    for row in record["costs"]:
        size, share = row["bytes"] / 2**20, row["seconds"] / 60
        shown = (f"{size:.1f}", f"{row['seconds']:.3f}", f"{share:.2%}")
        costs.append([str(row["parameters"]), *shown])
    first = markdown.table(
        ("job", "kills", "runs", "equal to the last bit", "half files", "s"), kills
    )
    heads = ("parameters", "MB", "seconds a checkpoint", "share at one a minute")
    return f"{first}\n\n{markdown.table(heads, costs)}"


def main() -> None:
    from benchmarks import records

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", nargs="*", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--kills", type=int, default=KILLS, help="over all jobs")
    parser.add_argument("--out", type=Path)
    asked, started = parser.parse_args(), time.perf_counter()
    scratch = Path(tempfile.mkdtemp())
    record = records.made_now() | {"device": "cpu", "seed": SEED}
    record |= {"costs": [cost(size, scratch) for size in STATE_SIZES], "rows": []}
    for i, name in enumerate(asked.jobs):
        kills = asked.kills // len(asked.jobs) + (i < asked.kills % len(asked.jobs))
        record["rows"].append(faults(name, kills, scratch / str(i)))
        print(json.dumps(record["rows"][-1]), flush=True)
        record["seconds"] = time.perf_counter() - started
        if asked.out:
            records.write(asked.out, record)
    shutil.rmtree(scratch)
    print(table(record))


if __name__ == "__main__":
    main()
