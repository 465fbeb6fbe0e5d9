"""What does a loop over T times cost? Written out, as a scan, and in NumPyro: build and step.

    python -m benchmarks.speed.scans --out benchmarks/results/scans.json   # an hour
    python -m benchmarks.speed.scans --models garch --times 50             # some minutes

Each cell has a process of its own, one after another. Times are CPU seconds, those of the C++
compiler included, so that other jobs on the machine change them little. A build that takes more
than `--patience` seconds is given up, and said to be.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

import guides
import zoo
from benchmarks import markdown, records
from benchmarks.speed.timing import trainer_on
from zoo.compile.scans import loop
from zoo.isolation import isolated
from zoo.objectives import Trace
from zoo.task import given
from zoo.training.compiled_trainer import CompiledTrainer

ROOT = Path(__file__).parents[2]
TIMES = (10, 50, 200, 1000)
ROWS, SIZE, WIDTH = 20, 8, 16  # of the walk that a network moves
WAYS = {
    "unrolled": "for loop, written out",
    "scan": "zoo.scan",
    "scan_1": "zoo.scan, 1 time a turn",
    "powers": "matrix of powers",
    "numpyro": "NumPyro's scan",
}


def written_out(f, init, xs):
    """The scan as users of Pyro write it."""
    carry, rows = init, []
    for x in xs:
        carry, y = f(carry, x)
        rows.append(y)
    return carry, torch.stack(rows)


class GarchByTimes(nn.Module):
    """GARCH(1, 1), time by time."""

    def __init__(self, run) -> None:
        super().__init__()
        self.run = run

    def forward(self, y: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        base = pyro.sample("base", dist.HalfNormal(1.0))
        persistence = pyro.sample("persistence", dist.Uniform(0.0, 1.0))
        share = pyro.sample("share", dist.Uniform(0.0, 1.0))

        alpha = persistence * share
        variances = self.variances((y - m).square(), base, alpha, persistence - alpha)
        pyro.sample("y", dist.Normal(m, variances.sqrt()).to_event(1), obs=y)

    def variances(self, squares: Tensor, base: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """h_0 = 1, then h_t = base + alpha squares_{t-1} + beta h_{t-1}."""

        def step(variance: Tensor, square: Tensor):
            return base + alpha * square + beta * variance, variance

        return self.run(step, torch.ones_like(base), squares)[1]


class GarchByPowers(GarchByTimes):
    """The same, its linear recursion written as one product with a matrix of powers of beta."""

    def variances(self, squares: Tensor, base: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """h_t = beta^t + sum over j < t of beta^(t-1-j) (base + alpha squares_j)."""
        times = torch.arange(len(squares), dtype=squares.dtype)
        lag = times[:, None] - times
        powers = torch.where(lag >= 0, beta ** lag.clamp(min=0), 0.0)
        added = torch.cat([torch.ones_like(squares[:1]), (base + alpha * squares)[:-1]])
        return powers @ added


class NetworkWalk(nn.Module):
    """States that move by a network and by noise, which is one site of all times."""

    def __init__(self, run) -> None:
        super().__init__()
        self.run = run
        self.first = nn.Parameter(0.1 * torch.randn(SIZE, WIDTH))
        self.second = nn.Parameter(0.1 * torch.randn(WIDTH, SIZE))
        self.out = nn.Parameter(0.1 * torch.randn(SIZE))

    def forward(self, y: Tensor) -> None:
        prior = dist.Normal(y.new_zeros(*y.shape, SIZE), 1.0).to_event(3)
        noise = pyro.sample("noise", prior)

        def step(state: Tensor, e: Tensor):
            state = 0.9 * state + torch.tanh(state @ self.first) @ self.second + e
            return state, state @ self.out

        _, means = self.run(step, torch.zeros_like(noise[0]), noise)
        pyro.sample("y", dist.Normal(means, 1.0).to_event(2), obs=y)


MODELS = {"garch": GarchByTimes, "network": NetworkWalk}


def series(model: str, times: int) -> Tensor:
    """Made-up data: speed does not depend on what they show."""
    shape = (times,) if model == "garch" else (times, ROWS)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started and that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def steady(run) -> float:
    """CPU seconds for one step: the least of several rounds of about half a second."""
    run(20)
    begin = cpu_seconds()
    run(20)
    count = max(20, min(5000, int(0.5 * 20 / max(cpu_seconds() - begin, 1e-4))))
    rounds = []
    for _ in range(5):
        begin = cpu_seconds()
        run(count)
        rounds.append((cpu_seconds() - begin) / count)
    return min(rounds)


def of_the_zoo(model: str, way: str, times: int) -> dict:
    """A step of the compiled path, and its build."""
    if way == "scan_1":
        loop.TURN = 1
    run = written_out if way == "unrolled" else zoo.scan
    build = partial(GarchByPowers if way == "powers" else MODELS[model], run)
    task = given(build(), (series(model, times),))
    with isolated(seed=0):
        trainer = trainer_on(task, guides.MeanField, Trace(), None, 1e-3)
        begin = cpu_seconds()
        compiled = CompiledTrainer(trainer)
        built = cpu_seconds() - begin
        return {"build_seconds": built, "ms": steady(compiled.advance) * 1e3}


def of_numpyro(model: str, times: int) -> dict:
    """The same in NumPyro: one scan over steps of a scan over times."""
    import jax
    import jax.numpy as jnp

    from benchmarks.rivals import numpyro_models as rival

    program = {"garch": rival.garch, "network": rival.network_walk}[model]
    svi, y = rival.auto(program, "mean_field", 1), jnp.asarray(series(model, times).numpy())
    begin = cpu_seconds()
    state = svi.init(jax.random.PRNGKey(0), y)
    update = jax.jit(lambda s, n: jax.lax.fori_loop(0, n, lambda _, s: svi.update(s, y)[0], s))
    jax.block_until_ready(update(state, 0))
    built = cpu_seconds() - begin
    return {
        "build_seconds": built,
        "ms": steady(lambda count: jax.block_until_ready(update(state, count))) * 1e3,
    }


def cell(model: str, way: str, times: int, patience: float) -> dict:
    """A cell from a process of its own, with no code kept on disk."""
    command = [sys.executable, "-m", "benchmarks.speed.scans", "--one", model, way, str(times)]
    made = records.made_now()
    found: dict = {"model": model, "way": way, "times": times}
    found |= {name: made[name] for name in records.MADE}
    begin = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, cwd=ROOT, timeout=patience
        )
    except subprocess.TimeoutExpired:
        return found | {"given_up_after_seconds": patience}
    found["wall_seconds"] = time.perf_counter() - begin
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line]
        return found | {"error": (lines or ["it ended without an error"])[-1][:300]}
    return found | json.loads(done.stdout.splitlines()[-1])


def said(found: dict | None) -> str:
    """A cell of the table: milliseconds a step, and seconds to build."""
    if found is None:
        return "-"
    if "given_up_after_seconds" in found:
        return f"not built in {found['given_up_after_seconds'] / 60:.0f} min"
    if "error" in found:
        return "error"
    return f"{found['ms']:.3g} ms; {found['build_seconds']:.0f} s"


def table(rows: list[dict]) -> str:
    """A line for each model and T: CPU milliseconds a step, then CPU seconds to build."""
    by = {(row["model"], row["times"], row["way"]): row for row in rows}
    places = list(dict.fromkeys((row["model"], row["times"]) for row in rows))
    lines = [
        [model, str(times), *(said(by.get((model, times, way))) for way in WAYS)]
        for model, times in places
    ]
    return markdown.table(["model", "T", *WAYS.values()], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--times", nargs="*", type=int, default=list(TIMES))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--patience", type=float, default=600, help="seconds for a cell")
    parser.add_argument("--out", type=Path, help="cells that are there already are kept")
    parser.add_argument("--one", nargs=3, help="measure one cell in this process, print its JSON")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.one:
        model, way, times = asked.one
        arguments = (model, way, int(times)) if way != "numpyro" else (model, int(times))
        print(json.dumps((of_the_zoo if way != "numpyro" else of_numpyro)(*arguments)))
        return
    kept = records.read(asked.out)["rows"] if asked.out and asked.out.exists() else []
    rows = {(row["model"], row["times"], row["way"]): row for row in kept}
    for model, times, way in [(m, t, w) for m in asked.models for t in asked.times for w in WAYS]:
        if (model, times, way) in rows or way not in asked.ways:
            continue
        if way == "powers" and model != "garch":
            continue
        rows[model, times, way] = found = cell(model, way, times, asked.patience)
        print(json.dumps(found), flush=True)
        if asked.out:
            ordered = sorted(rows.values(), key=lambda row: (row["model"], row["times"]))
            records.write(asked.out, records.made_now() | {"rows": ordered})
    print(table(sorted(rows.values(), key=lambda row: (row["model"], row["times"]))))


if __name__ == "__main__":
    main()
