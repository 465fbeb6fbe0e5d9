"""How fast is a step? The zoo's two paths beside Pyro, NumPyro and hand-written PyTorch.

    python -m benchmarks.speed.step_time --out benchmarks/results/speed.json   # 40 minutes
    python -m benchmarks.speed.step_time --rows eight_schools/mean_field/1     # one

Each row is written when it ends; the same command goes on with the rows that are not in the file,
if that is of the same commit and date. A row has a process of its own, all its columns one after
another in the same minute; the numbers are ratios. Small models run on one thread (two only cost),
the 784-pixel VAEs on all.
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
from benchmarks.speed import rivals
from benchmarks.speed.tasks import PICTURES, ROWS
from benchmarks.speed.timing import (
    best_of,
    device,
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
SAME = ("commit", "date", "device")  # as the record has, of the rows that are kept

LARGE = tuple(PICTURES)
BOUNDS = {  # Pyro's own for a model, plain and jitted
    "bernoulli_latent": (pyro.infer.TraceGraph_ELBO, pyro.infer.JitTraceGraph_ELBO),
    "hmm": (pyro.infer.TraceEnum_ELBO, pyro.infer.JitTraceEnum_ELBO),
}


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


def attempt(name: str, call) -> object:
    """What a rival measures; the text of its error if it does not run."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return f"{name} does not run: {type(error).__name__}: {str(error)[:120]}"


def of_the_zoo(row: str, replicas: int) -> dict:
    """The columns of the zoo: compiled, plain, and several replicas in one program."""
    step, build, compiled = time_zoo(row)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {
        "zoo_compiled": step * 1e3,
        "build_seconds": build,
        "peak_memory_mib": memory,
        "gradient_agreement": gradient_agreement(compiled),
        "zoo_plain": time_plain(row) * 1e3,
    }
    together, _, _ = time_zoo(row, replicas)
    found["replicas"] = replicas
    found["zoo_replicas"] = together * 1e3
    found["replicas_over_one"] = together / step
    if row in ("eight_schools/mean_field/1", "bernoulli_latent/amortised_discrete/1"):
        found |= {"gradients": batched_gradients(row)}
    return found


def of_rivals(row: str, replicas: int) -> dict:
    """The columns of the others; None for a row that one does not have."""
    plain, jitted = BOUNDS.get(row.split("/")[0], (Trace_ELBO, JitTrace_ELBO))
    jitted = partial(jitted, ignore_jit_warnings=True)
    found = {
        "pyro_svi_step": attempt("SVI.step", lambda: time_pyro(row, plain) * 1e3),
        "pyro_jit": attempt("Pyro's JIT", lambda: time_pyro(row, jitted) * 1e3),
    }
    rival = attempt("NumPyro", lambda: rivals.numpyro_seconds(row))
    found["numpyro_scan"] = rival[0] * 1e3 if isinstance(rival, tuple) else rival
    found["numpyro_build_seconds"] = rival[1] if isinstance(rival, tuple) else None
    many = attempt("NumPyro's vmap", lambda: rivals.numpyro_seconds(row, replicas))
    found["numpyro_replicas"] = many[0] * 1e3 if isinstance(many, tuple) else many
    for name, call in (
        ("torch_fused_adam", partial(rivals.torch_seconds, row, "eager")),
        ("torch_compiled", partial(rivals.torch_seconds, row, "compiled")),
        ("pymc_advi", partial(rivals.pymc_seconds, row)),
    ):
        seconds = attempt(name, call)
        found[name] = seconds * 1e3 if isinstance(seconds, float) else seconds
    return found


def run_row(row: str) -> dict:
    """All columns of one row, in milliseconds a step."""
    small = row.split("/")[0] not in LARGE
    if small:
        torch.set_num_threads(1)
    head = {"row": row, "threads": torch.get_num_threads()}
    replicas = REPLICAS if small else 2
    return head | of_the_zoo(row, replicas) | of_rivals(row, replicas)


def ratio(found: dict, column: str, to: str = "zoo_compiled") -> str:
    """A rival's milliseconds, and how many times the zoo's they are."""
    value = found.get(column)
    if not isinstance(value, float) or math.isnan(value):
        return "-"
    return f"{value:.3g} ms ({value / found[to]:.3g}x)"


COLUMNS = {
    "zoo_plain": "zoo, not compiled",
    "pyro_svi_step": "Pyro's SVI.step",
    "pyro_jit": "Pyro's JIT",
    "numpyro_scan": "NumPyro's scan",
    "torch_fused_adam": "PyTorch by hand",
    "torch_compiled": "the same, compiled",
    "pymc_advi": "PyMC's ADVI",
}


def table(rows: list[dict]) -> str:
    """A line for each row, a column for each library that has any."""
    columns = [name for name in COLUMNS if any(found.get(name) is not None for found in rows)]
    heads = ["row", "zoo compiled", *(COLUMNS[name] for name in columns)]
    heads += ["replicas / one", "NumPyro's vmap / replicas", "build"]
    lines = []
    for found in rows:
        cells = [found["row"], f"{found['zoo_compiled']:.3g} ms"]
        cells += [ratio(found, column) for column in columns]
        cells += [f"{found['replicas_over_one']:.2f} ({found['replicas']})"]
        cells += [ratio(found, "numpyro_replicas", to="zoo_replicas")]
        cells += [f"{found['build_seconds']:.1f} s"]
        lines.append(cells)
    return markdown.table(heads, lines)


def begun(out: Path | None) -> dict:
    """The record in that file, if it is of this commit, date and device; else an empty one."""
    fresh = records.made_now() | {"device": device(), "numpy": np.__version__, "rows": []}
    if out is None or not out.exists():
        return fresh
    earlier = records.read(out)
    same = all(earlier.get(name) == fresh[name] for name in SAME)
    return earlier if same else fresh


def measured(row: str) -> dict | None:
    """A row's columns, from a process of its own; None if that fails, which is said."""
    command = [sys.executable, "-m", "benchmarks.speed.step_time", "--one", row]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)  # noqa: S603
    if done.returncode:
        print(f"{row} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=ROWS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", choices=ROWS, help="run one row in this process, print its JSON")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(run_row(asked.one)))
        return
    record = begun(asked.out)
    rows = {found["row"]: found for found in record["rows"]}
    for row in asked.rows:
        found = None if row in rows else measured(row)
        if found is None:
            continue
        print(json.dumps(found, indent=1), flush=True)
        rows[row] = found
        record["rows"] = [rows[name] for name in ROWS if name in rows]
        if asked.out:
            records.write(asked.out, record)
    print(table(record["rows"]))


if __name__ == "__main__":
    main()
