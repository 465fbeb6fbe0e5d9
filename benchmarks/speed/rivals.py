"""Which rival has which row of the speed benchmark, and its clock; libraries are imported late."""

from functools import partial

from benchmarks.speed.tasks import task_of

# Steps of one NumPyro scan, where they are not the usual number.
ROUNDS = {"pixel_vae": 2, "bernoulli_latent": 2000}


def numpyro_seconds(row: str) -> tuple[float, float] | None:
    """Seconds a step and to build in NumPyro."""
    from benchmarks.rivals import numpyro_models as small
    from benchmarks.rivals import numpyro_networks as networks

    model, guide, particles = row.split("/")
    task, _, _, batch, lr = task_of(row)
    data = [arg.numpy() for arg in task.data.train]
    if row in networks.PAIRS:
        return networks.time_pair(row, *data, batch, ROUNDS.get(model, 200))
    if model in ("hmm", "hmm_forward"):
        return small.time_hidden_markov(*data, batch, lr, 2000)
    program = small.eight_schools
    if model != "eight_schools":
        program = partial(small.logistic_regression, size=len(data[0]))
    return small.time_auto(program, guide, int(particles), data, 2000, batch)


def torch_seconds(row: str, *, compiled: bool) -> float | None:
    """Seconds a step in plain PyTorch with a fused Adam; None where it is not written."""
    from benchmarks.rivals import torch_models as rivals

    task, _, _, batch, _ = task_of(row)
    if row == "eight_schools/mean_field/1":
        return rivals.time_schools(*task.data.train, 500, compiled=compiled)
    if row in rivals.LOSSES:
        return rivals.time_vae(row, *task.data.train, batch, 100, compiled=compiled)
    return None


def pymc_seconds(row: str) -> float | None:
    """Seconds a step of PyMC's ADVI, for the rows of one draw where it has the guide."""
    if row not in ("eight_schools/mean_field/1", "eight_schools/full_rank/1"):
        return None
    from benchmarks.rivals.pymc_models import time_schools

    task, *_ = task_of(row)
    return time_schools(row.split("/")[1], *(arg.numpy() for arg in task.data.train), 2000)
