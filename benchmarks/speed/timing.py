"""Tasks and clocks of the speed benchmarks."""

import time
from functools import partial

import pyro
import torch
from pyro.infer import SVI

import guides
import zoo
from zoo.data import Data, keep
from zoo.data.data import fingerprint
from zoo.isolation import isolated
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.objectives import Trace, TraceGraph
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import Task
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare
from zoo.training.trainer import Trainer


def binary_task(name, build, rows, features, batch) -> Task:
    """A task on made-up binary rows: speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(rows, features, generator=generator) < 0.13).float()
    data = Data(
        name=name,
        train=(x,),
        valid=(),
        test=(),
        rowwise=True,
        image=None,
        observe=keep,
        labels=("x",),
        binarize="static",
        seed=0,
        hash=fingerprint(name, "static", ((x,), (), ())),
    )
    return Task(name, build, data)


def task_of(row: str) -> tuple[Task, object, object, int | None, float]:
    """Task, guide, objective, batch size and learning rate of a row."""
    model, guide, particles = row.split("/")
    family, trace = guides.GUIDES[guide], Trace(int(particles))
    if model in ("eight_schools", "logistic_regression"):
        return zoo.load(model), family, trace, None, 0.01
    if model == "bernoulli_latent":
        task = binary_task(model, lambda: BernoulliLatent(64, (64,), 8), 1000, 64, 20)
        return task, family, TraceGraph(int(particles)), 20, 1e-3
    if model == "categorical_vae":
        task = binary_task(model, lambda: CategoricalVAE(784, 20, 10, (400,)), 10000, 784, 128)
        return task, family, trace, 128, 1e-3
    task = binary_task(model, lambda: BernoulliVAE(784, (400,), 20), 10000, 784, 128)
    return task, family, trace, 128, 1e-3


def trainer_of(row: str, seed: int = 0) -> Trainer:
    """The plain trainer of a row."""
    return trainer_on(*task_of(row), seed)


def trainer_on(task, family, objective, batch, lr, seed: int = 0) -> Trainer:
    settings = Settings(objective, 10, Update(lr=lr), batch, seed)
    with isolated(seed=seed):
        return prepare(task, family, settings, device(), None).trainer


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
        return best_of(trainer_of(row).advance, 100, 3)


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

    return best_of(run, 100, 3)
