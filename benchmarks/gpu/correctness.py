"""Is a step on a GPU the step on the CPU? Blocks, gradients, scores, checkpoints, the tests."""

import copy
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import guides
import zoo
from benchmarks.gpu.place import Place
from benchmarks.speed.tasks import task_of
from benchmarks.speed.timing import trainer_on
from zoo.compile.capture import capture
from zoo.compile.cuda_block import Calls, RecordedBlock, counted, tensors_of
from zoo.compile.loop_tensors import Inputs, State
from zoo.compile.noise import ExplicitNoise, Spec, draw_noise
from zoo.compile.step_loop import rates_of, step_with_update
from zoo.compile.verify import first_difference, plain_step, step_in_double
from zoo.data.batches import Batches
from zoo.isolation import in_double, isolated
from zoo.sampling.importance_weights import weight_chunks
from zoo.torch_private import tree_map
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
STEPS = 23  # a graph of 20 and three of one
SEVERAL = 3  # replicas
EQUAL = 1e-8  # relative to the largest number, after STEPS updates in float64
DRAWS, ROWS = 8, 64
CPU = torch.device("cpu")


def trainer_in(row: str, device: str, seed: int = 0) -> Trainer:
    """The plain trainer of a row of the speed benchmark, made on the CPU and moved."""
    trainer = trainer_on(*task_of(row), seed, "cpu")
    return moved(trainer, device)


def moved(trainer: Trainer, device: str, dtype: torch.dtype | None = None) -> Trainer:
    """The same trainer on a device, and its numbers in a type."""
    program = copy.deepcopy(trainer.program).to(device, dtype)
    places = {id(old): i for i, old in enumerate(trainer.program.parameters())}
    own = list(program.parameters())
    parameters = [own[places[id(one)]] for one in trainer.parameters]
    rows = Batches(on(trainer.rows.args, device, dtype), trainer.rows.observe, trainer.rows.order)
    return Trainer(program, rows, trainer.update, parameters)


def on(values: object, device: object, dtype: torch.dtype | None = None) -> object:
    """The tensors in there on a device; of floating-point ones also their type."""

    def one(value: object) -> object:
        real = isinstance(value, Tensor) and value.is_floating_point()
        return value.to(device, dtype if real else None) if isinstance(value, Tensor) else value

    return tree_map(one, values)


def difference(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, relative to the largest number; 0 of empty tensors."""
    if not wanted.numel():
        return 0.0
    largest = float((found.cpu() - wanted.cpu()).abs().max())
    return largest / max(float(wanted.abs().max()), 1e-300)


def blocks(row: str, place: Place, replicas: int = 1) -> dict:
    """A block on the device beside the same steps one by one on the CPU, in float64.

    The block is compiled, and on CUDA recorded as graphs; the other is neither. Both take the same
    noise and rows. The capture on the device is checked on the way.
    """
    with isolated(seed=0):
        made = [trainer_in(row, "cpu", seed) for seed in range(replicas)]
    with isolated(seed=0), in_double():
        there = [moved(one, place.device, torch.float64) for one in made]
        here = moved(there[0], "cpu")
        compiled = CompiledTrainer(*there)
        with torch.no_grad():
            return _blocks(compiled, here)


def _blocks(compiled: CompiledTrainer, here: Trainer) -> dict:
    inputs, count = compiled._inputs(STEPS), torch.tensor(STEPS)
    lead = () if compiled.replicas is None else (compiled.replicas,)
    losses = torch.zeros(*lead, compiled.largest_block, device=compiled.device)
    found, state = compiled.block(count, compiled.state, losses, inputs)
    with torch.enable_grad():
        captured = capture(here.program, here.rows, here.parameters)
    step = step_with_update(captured, here.update, compiled.replicas)
    plain = RecordedBlock(counted(step, partial(rates_of, here.update)), Calls())
    begin, given = State(*on(compiled.state, CPU)), Inputs(*on(inputs, CPU))
    wanted, end = plain(count, begin, losses.cpu(), given)
    worst = difference(found[..., :STEPS], wanted[..., :STEPS])
    apart = [difference(a, b) for a, b in zip(tensors_of(state), tensors_of(end), strict=True)]
    distinct = len(wanted[..., :STEPS].flatten().unique()) == STEPS * (compiled.replicas or 1)
    return {
        "steps": STEPS,
        "replicas": compiled.replicas or 1,
        "losses_differ_by": worst,
        "state_differs_by": max(apart),
        "losses_are_distinct": distinct,
        "right": max(worst, *apart) <= EQUAL,
    }


def common(spec: Spec) -> Tensor:
    """Noise from the CPU's random state, wherever it is asked for."""
    return draw_noise([spec._replace(device=CPU)])[0].to(spec.device)


def gradients(row: str, place: Place) -> dict:
    """Loss, gradients and importance weights of a program on the device and on the CPU.

    In float32 under common noise; they may differ by a few rounding errors of the CPU's own step,
    which is run in float64 too. So are the weights, and they are compared there.
    """
    here = trainer_in(row, "cpu")
    there = moved(here, place.device)
    with isolated(seed=1):
        found = capture(here.program, here.rows, here.parameters)
        noise = draw_noise(found.noise)
        picked = None if here.rows.order is None else here.rows.order.block(3, 1)[0]
        step, layout = torch.tensor(3.0), found.layout
        exact = step_in_double(here.program, here.rows, layout, step, picked, noise)
        wanted = plain_step(here.program, here.rows, layout, step, picked, noise)
        given = on((step, picked, noise), place.device)
        got = on(plain_step(there.program, there.rows, layout, *given), CPU)
    wrong = first_difference(got, wanted, exact)
    weights = _weights(here, place)
    return {
        "gradients_differ_in": wrong,
        "log_weights_differ_by": weights,
        "right": wrong is None and (weights is None or weights <= EQUAL),
    }


def _weights(trainer: Trainer, place: Place) -> float | None:
    """How far log-weights are apart in float64; None where they are not defined."""
    found = []
    for device in (place.device, "cpu"):
        one = moved(trainer, device, torch.float64)
        one.program.eval()
        args = tuple(arg[:ROWS] for arg in one.rows.args)
        try:
            with isolated(seed=2), in_double(), torch.no_grad(), ExplicitNoise(common):
                found.append(next(iter(weight_chunks(one.program, args, DRAWS))))
        except ValueError:
            return None
    return difference(*found)


def checkpoints(place: Place) -> dict:
    """A fit is saved on the device, loaded on the CPU, and gone on with there; then back."""
    task = zoo.load("ppca")
    fit = partial(zoo.fit, task, guides.AmortisedFullRank, average=False)
    with tempfile.TemporaryDirectory() as folder:
        first = fit(steps=20, device=place.device)
        zoo.save(first, folder)
        same = zoo.load_fit(folder, device="cpu")
        pairs = zip(same.program.parameters(), first.program.parameters(), strict=True)
        moved_by = max(difference(a.detach(), b.detach()) for a, b in pairs)
        on_cpu = fit(steps=30, device="cpu", resume=folder)
        zoo.save(on_cpu, folder)
        back = fit(steps=40, device=place.device, resume=folder)
    kept = torch.equal(back.losses[:30], on_cpu.losses) and back.losses.isfinite().all()
    right = moved_by == 0.0 and bool(kept) and len(back.losses) == 40
    return {"moved_by": moved_by, "losses_kept": bool(kept), "right": right}


def tests(place: Place, path: str, marks: str) -> dict:
    """The outcome of tests of this repository on the device; warnings do not fail them."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--maxfail=20",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--device", place.device, "-W", "default", "-m", marks, path]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    last = ran.stdout.strip().splitlines()[-1:] or [ran.stderr[-500:]]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last[0])}
    failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return {
        "outcome": last[0],
        "failed": failed[:20],
        "counts": counts,
        "right": not ran.returncode,
    }
