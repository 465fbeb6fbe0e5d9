"""How fast is a step? The zoo's two paths beside Pyro, NumPyro and hand-written PyTorch.

    python -m benchmarks.speed.step_time --out benchmarks/results/speed.json   # 20 minutes
    python -m benchmarks.speed.step_time --rows eight_schools/mean_field/1     # one

Every row runs in a process of its own, all its columns one after another in the same minute; the
numbers are ratios. Small models run on one thread (two only cost), the 784-pixel VAEs on all.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyro
import torch
from pyro.infer import JitTrace_ELBO, Trace_ELBO

from benchmarks import markdown, records
from benchmarks.speed.timing import (
    best_of,
    device,
    task_of,
    time_plain,
    time_pyro,
    time_zoo,
    trainer_of,
)
from zoo.compile.capture import capture
from zoo.compile.noise import draw_noise
from zoo.compile.verify import plain_step
from zoo.gradients.sampler import draw_gradients
from zoo.isolation import isolated
from zoo.training.compiled_trainer import CompiledTrainer

ROOT = Path(__file__).parents[2]
REPLICAS = 32


ROWS = (
    "eight_schools/mean_field/1",
    "eight_schools/mean_field/16",
    "eight_schools/full_rank/1",
    "eight_schools/full_rank/16",
    "eight_schools/iaf/1",
    "eight_schools/iaf/16",
    "logistic_regression/full_rank/1",
    "bernoulli_latent/amortised_discrete/1",
    "bernoulli_vae/amortised_normal/1",
    "bernoulli_vae/amortised_iaf/1",
    "categorical_vae/relaxed/1",
)
LARGE = ("bernoulli_vae", "categorical_vae")


def gradient_agreement(compiled: CompiledTrainer) -> float:
    """Largest relative difference of a gradient from the plain step's under the same noise."""
    found, program, rows = compiled.captured, compiled.program, compiled.rows
    with isolated(seed=1):
        noise = draw_noise(found.noise)
        picked = None if rows.order is None else rows.order.block(3, 1)[0].to(compiled.device)
        empty = torch.zeros(0, dtype=torch.int64, device=compiled.device)
        step = torch.zeros((), device=compiled.device)
        flat, held = found.layout.read(program)
        given = empty if picked is None else picked
        graph = torch.compile(found.graph)
        _, gradient, _ = graph(flat, held, step, given, noise, tuple(rows.args))
        plain = plain_step(program, rows, found.layout, step, picked, noise)
    parts = found.layout.split(gradient)
    return max(
        float((part - plain[f"gradient of {name}"]).abs().max())
        / max(float(plain[f"gradient of {name}"].abs().max()), 1e-30)
        for name, part in parts.items()
    )


def batched_gradients(row: str, draws: int = 256) -> dict:
    """Milliseconds of one gradient out of a batch, and of one in a loop."""
    trainer = trainer_of(row)
    program, rows = trainer.program, trainer.rows
    with isolated(seed=0):
        captured = capture(program, rows, trainer.parameters)
        many = best_of(lambda _: draw_gradients(captured, program, rows, draws), draws, 5)
        picked = None if rows.order is None else rows.order.block(0, 1)[0]

        def loop(count: int) -> None:
            for _ in range(count):
                program.zero_grad(set_to_none=True)
                program.backward(torch.zeros(()), picked, *rows.take(picked))

        plain = best_of(loop, 50, 3)
    return {
        "batched_ms": many * 1e3,
        "loop_ms": plain * 1e3,
        "ratio": plain / many,
        "draws": draws,
    }


def numpyro_seconds(row: str) -> tuple[float, float] | None:
    """Seconds a step and to build in NumPyro, where the row can be written there."""
    from benchmarks.rivals import numpyro_models as rivals

    model, guide, particles = row.split("/")
    task, _, _, batch, _ = task_of(row)
    if model == "eight_schools":
        args = [arg.numpy() for arg in task.data.train]
        return rivals.time_auto(rivals.eight_schools, guide, int(particles), args, 2000)
    if model == "logistic_regression":
        args = [arg.numpy() for arg in task.data.train]
        return rivals.time_auto(rivals.logistic_regression, guide, int(particles), args, 2000)
    if row == "bernoulli_vae/amortised_normal/1":
        return rivals.time_vae(task.data.train[0].numpy(), batch, 400, 20, 200)
    return None


def torch_seconds(row: str, *, compiled: bool) -> float | None:
    from benchmarks.rivals import torch_models as rivals

    task, _, _, batch, _ = task_of(row)
    if row == "eight_schools/mean_field/1":
        return rivals.time_schools(*task.data.train, 500, compiled=compiled)
    if row == "bernoulli_vae/amortised_normal/1":
        return rivals.time_vae(task.data.train[0], batch, 400, 20, 100, compiled=compiled)
    return None


def attempt(name: str, call) -> object:
    """What a rival measures; the text of its error if it does not run."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return f"{name} does not run: {type(error).__name__}: {str(error)[:120]}"


def run_row(row: str) -> dict:
    """All columns of one row, in milliseconds a step."""
    small = row.split("/")[0] not in LARGE
    if small:
        torch.set_num_threads(1)
    step, build, compiled = time_zoo(row)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {
        "row": row,
        "threads": torch.get_num_threads(),
        "zoo_compiled": step * 1e3,
        "build_seconds": build,
        "peak_memory_mib": memory,
        "gradient_agreement": gradient_agreement(compiled),
        "zoo_plain": time_plain(row) * 1e3,
        "pyro_svi_step": attempt("SVI.step", lambda: time_pyro(row, Trace_ELBO) * 1e3),
        "pyro_jit": attempt(
            "JitTrace_ELBO",
            lambda: time_pyro(row, partial(JitTrace_ELBO, ignore_jit_warnings=True)) * 1e3,
        ),
    }
    if row.startswith("bernoulli_latent"):
        graph = pyro.infer.TraceGraph_ELBO
        found["pyro_svi_step"] = attempt("SVI.step", lambda: time_pyro(row, graph) * 1e3)
    replicas = REPLICAS if small else 2
    together, replica_build, _ = time_zoo(row, replicas)
    found["replicas"] = replicas
    found["zoo_replicas_per_fit"] = together * 1e3 / replicas
    found["replicas_over_one"] = together / step
    rival = attempt("NumPyro", lambda: numpyro_seconds(row))
    found["numpyro_scan"] = rival[0] * 1e3 if isinstance(rival, tuple) else rival
    found["numpyro_build_seconds"] = rival[1] if isinstance(rival, tuple) else None
    for name, flag in (("torch_fused_adam", False), ("torch_compiled", True)):
        seconds = attempt(name, partial(torch_seconds, row, compiled=flag))
        found[name] = seconds * 1e3 if isinstance(seconds, float) else seconds
    if row in ("eight_schools/mean_field/1", "bernoulli_latent/amortised_discrete/1"):
        found |= {"gradients": batched_gradients(row)}
    return found


def ratio(found: dict, column: str) -> str:
    value = found.get(column)
    if not isinstance(value, float) or math.isnan(value):
        return "-"
    return f"{value:.3g} ms ({value / found['zoo_compiled']:.3g}x)"


COLUMNS = ("zoo_plain", "pyro_svi_step", "pyro_jit", "numpyro_scan", "torch_fused_adam")


def table(rows: list[dict]) -> str:
    heads = ["row", "zoo compiled", *COLUMNS, "torch_compiled", "replicas / one", "build"]
    lines = []
    for found in rows:
        cells = [found["row"], f"{found['zoo_compiled']:.3g} ms"]
        cells += [ratio(found, column) for column in (*COLUMNS, "torch_compiled")]
        cells += [f"{found['replicas_over_one']:.2f} ({found['replicas']})"]
        cells += [f"{found['build_seconds']:.1f} s"]
        lines.append(cells)
    return markdown.table(heads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", default=list(ROWS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help="run one row in this process and print its JSON")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(run_row(asked.one)))
        return
    rows = []
    for row in asked.rows:
        command = [sys.executable, "-m", "benchmarks.speed.step_time", "--one", row]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)  # noqa: S603
        if done.returncode:
            print(f"{row} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
            continue
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1], indent=1), flush=True)
    print(table(rows))
    if asked.out:
        record = records.made_now() | {"device": device(), "numpy": np.__version__}
        records.write(asked.out, record | {"rows": rows})


if __name__ == "__main__":
    main()
