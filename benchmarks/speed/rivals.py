"""Which rival has which row of the speed benchmark, and its clock; libraries are imported late."""

from functools import partial

from benchmarks.speed.tasks import task_of

# Steps of one NumPyro scan, where they are not the usual number.
ROUNDS = {"pixel_vae": 2, "bernoulli_latent": 2000}


def numpyro_seconds(
    row: str, replicas: int | None = None, rows: int | None = None
) -> tuple[float, float]:
    """Seconds a step and to build in NumPyro; of a step of all replicas, if there are several.

    Args:
        row: of the benchmark.
        replicas: trained side by side.
        rows: in a step; None for those of the benchmark.
    """
    from benchmarks.rivals import numpyro_models as small
    from benchmarks.rivals import numpyro_networks as networks

    model, guide, particles = row.split("/")
    task, _, _, batch, lr = task_of(row)
    batch = rows or batch
    data = [arg.numpy() for arg in task.data.train]
    steps = 2000
    if row in networks.PAIRS:
        svi, steps = networks.pair(row, len(data[0])), ROUNDS.get(model, 200)
    elif model in ("hmm", "hmm_forward"):
        svi = small.without_latents(partial(small.hidden_markov, size=len(data[0])), lr)
    elif model == "eight_schools":
        svi = small.auto(small.eight_schools, guide, int(particles))
    else:
        program = partial(small.logistic_regression, size=len(data[0]))
        svi = small.auto(program, guide, int(particles))
    return small.time_steps(svi, data, batch, steps if replicas is None else steps // 4, replicas)


def torch_seconds(row: str, way: str, rows: int | None = None) -> float | None:
    """Seconds a step in plain PyTorch with a fused Adam; None where it is not written.

    Args:
        row: of the benchmark.
        way: "eager", "compiled", "graph" (a CUDA graph of the whole step) or "compiled graph".
        rows: in a step; None for those of the benchmark.
    """
    from benchmarks.rivals import torch_models as rivals

    task, _, _, batch, _ = task_of(row)
    if row == "eight_schools/mean_field/1":
        return rivals.time_schools(*task.data.train, 500, way=way)
    if row in rivals.LOSSES:
        return rivals.time_vae(row, *task.data.train, rows or batch, 100, way=way)
    return None


def pymc_seconds(row: str) -> float | None:
    """Seconds a step of PyMC's ADVI, for the rows of one draw where it has the guide."""
    if row not in ("eight_schools/mean_field/1", "eight_schools/full_rank/1"):
        return None
    from benchmarks.rivals.pymc_models import time_schools

    task, *_ = task_of(row)
    return time_schools(row.split("/")[1], *(arg.numpy() for arg in task.data.train), 2000)
