"""Milliseconds a step on a GPU: the zoo, hand-written PyTorch, Pyro and NumPyro."""

from collections.abc import Callable
from functools import partial

import torch
from pyro.infer import Trace_ELBO

from benchmarks.gpu.place import Place
from benchmarks.speed import rivals, scaling
from benchmarks.speed.step_time import BOUNDS, attempt, gradient_agreement
from benchmarks.speed.tasks import task_of
from benchmarks.speed.timing import best_of, time_compiled, time_plain, time_pyro, trainer_on
from zoo.compile.cuda_block import Calls, recorded_block
from zoo.compile.step_loop import rates_of, step_with_update
from zoo.isolation import isolated
from zoo.training.compiled_trainer import CompiledTrainer

VAE, SCHOOLS = "bernoulli_vae/amortised_normal/1", "eight_schools/mean_field/1"
FEW = 40  # steps of what the host takes one by one


def milliseconds(name: str, call: Callable[[], float | None]) -> float | str | None:
    """What it measures, in milliseconds; the text of its error if it does not run."""
    found = attempt(name, call)
    return found * 1e3 if isinstance(found, float) else found


def memory(compiled: CompiledTrainer) -> float | None:
    """The most memory on the GPU so far in this process, MiB; None on the CPU."""
    if compiled.device.type == "cpu":
        return None
    return torch.cuda.max_memory_allocated() / 2**20


def zoo_columns(make: Callable, replicas: int = 1) -> dict:
    """A step of the zoo (of all replicas together), and what it took to build."""
    step, build, compiled = time_compiled(make, replicas)
    found = {"zoo_ms": step * 1e3, "build_seconds": build, "memory_mib": memory(compiled)}
    if replicas == 1:
        found["zoo_without_graph_ms"] = milliseconds("calls", partial(_called, compiled))
        found["gradient_agreement"] = attempt("gradients", lambda: gradient_agreement(compiled))
    return found


def _called(compiled: CompiledTrainer) -> float:
    """Seconds of the same compiled step where the host launches each kernel."""
    with isolated(seed=0):
        step = step_with_update(compiled.captured, compiled.update, None)
        compiled.block = recorded_block(step, partial(rates_of, compiled.update), Calls())
        return best_of(compiled.advance, FEW, 3)


def by_hand(row: str, place: Place, batch: int | None = None) -> dict:
    """Hand-written PyTorch with a fused Adam; on CUDA its own graphs too."""
    ways = ["eager"] if place.small else ["eager", "compiled"]
    ways += ["graph", "compiled graph"] * (place.device != "cpu")
    return {
        f"by_hand_{way.replace(' ', '_')}_ms": milliseconds(
            f"PyTorch, {way}", partial(rivals.torch_seconds, row, way, batch)
        )
        for way in ways
    }


def numpyro(row: str, replicas: int | None = None, batch: int | None = None) -> dict:
    """NumPyro's scan; of several replicas its vmap."""
    call = partial(rivals.numpyro_seconds, row, replicas, batch)
    return {"numpyro_ms": milliseconds("NumPyro", lambda: call()[0])}


def one_row(row: str, place: Place) -> dict:
    """All columns of a row of the speed benchmark."""
    found = zoo_columns(partial(trainer_on, *task_of(row))) | by_hand(row, place)
    if place.small:
        return found
    elbo, _ = BOUNDS.get(row.split("/")[0], (Trace_ELBO, None))
    found["zoo_plain_ms"] = milliseconds("the plain step", lambda: time_plain(row))
    found["pyro_svi_step_ms"] = milliseconds("SVI.step", lambda: time_pyro(row, elbo))
    return found | numpyro(row)


def batch_size(batch: int, place: Place) -> dict:
    """The VAE with that many rows in a step."""
    task, guide, objective, _, lr = task_of(VAE)
    found = zoo_columns(partial(trainer_on, task, guide, objective, batch, lr))
    found |= {"batch": batch} | by_hand(VAE, place, batch)
    return found if place.small else found | numpyro(VAE, batch=batch)


def replicas(row: str, count: int, place: Place) -> dict:
    """A step of so many replicas, all together."""
    found = {"replicas": count} | zoo_columns(partial(trainer_on, *task_of(row)), count)
    return found if place.small else found | numpyro(row, count if count > 1 else None)


def cost(axis: str, size: int) -> dict:
    """A point of `benchmarks.speed.scaling`."""
    return scaling.point(axis, size)
