"""Clocks of the speed benchmarks."""

import time
from functools import partial

import pyro
import torch
from pyro.infer import SVI

from benchmarks.speed.tasks import task_of
from zoo.isolation import isolated
from zoo.objectives import Enumerate
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare
from zoo.training.trainer import Trainer


def trainer_of(row: str, seed: int = 0) -> Trainer:
    """The plain trainer of a row."""
    return trainer_on(*task_of(row), seed)


def trainer_on(
    task, family, objective, batch, lr, seed: int = 0, where: str | None = None
) -> Trainer:
    settings = Settings(objective, 10, Update(lr=lr), batch, seed)
    with isolated(seed=seed):
        return prepare(task, family, settings, where or device(), None).trainer


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def sync() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def best_of(run, count: int, repeats: int = 5) -> float:
    """Seconds for one of `count` steps: the fastest of several runs."""
    run(count)
    times = []
    for _ in range(repeats):
        sync()
        begin = time.perf_counter()
        run(count)
        sync()
        times.append(time.perf_counter() - begin)
    return min(times) / count


def time_zoo(row: str, replicas: int = 1) -> tuple[float, float, CompiledTrainer]:
    """Seconds a step (of all replicas), seconds to build, and the trainer."""
    return time_compiled(partial(trainer_of, row), replicas)


def time_compiled(make, replicas: int = 1) -> tuple[float, float, CompiledTrainer]:
    """The same for the trainers that `make` gives for seeds 0, 1, ..."""
    with isolated(seed=0):
        trainers = [make(seed) for seed in range(replicas)]
        begin = time.perf_counter()
        compiled = CompiledTrainer(*trainers)
        build = time.perf_counter() - begin
        once = best_of(compiled.advance, 20, 1)
        count = max(20, min(2000, int(0.5 / once)))
        return best_of(compiled.advance, count), build, compiled


def time_plain(row: str) -> float:
    with isolated(seed=0):
        return steady(trainer_of(row).advance)


def steady(run) -> float:
    """Seconds for one step, of 10 to 100 at a time: about a second's worth."""
    once = best_of(run, 3, 1)
    return best_of(run, max(10, min(100, int(1 / once))), 3)


def time_pyro(row: str, elbo) -> float:
    """Pyro's own SVI.step on the same model and guide, registered by pyro.module."""
    particles = int(row.split("/")[2])
    return time_svi(trainer_of(row), elbo, particles, task_of(row)[-1])


def time_svi(trainer: Trainer, elbo, particles: int, lr: float) -> float:
    """The same for what a plain trainer trains."""
    program, rows = trainer.program, trainer.rows
    nesting = program.latents.nesting

    def model(*args):
        pyro.module("model", program.model)
        return program.model(*args)

    def guide(*args):
        pyro.module("guide", program.guide)
        return program.guide(*args)

    if isinstance(program.objective, Enumerate):
        model = pyro.infer.config_enumerate(model)
    if program.guide.relaxes:
        relaxed = program.guide.view(program.model)
        model = lambda *args: (pyro.module("model", program.model), relaxed(*args))  # noqa: E731
    kind = elbo(particles, vectorize_particles=particles > 1, max_plate_nesting=nesting)
    pyro.clear_param_store()
    pyro.enable_validation(is_validate=False)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": lr}), kind)

    def run(count: int) -> None:
        order = rows.order
        picked = [None] * count if order is None else order.block(0, count).to(trainer.device)
        for each in picked:
            svi.step(*rows.take(each))

    return steady(run)
