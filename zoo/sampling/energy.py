"""log Z of a program whose model has an energy, and what a metric says of its error."""

import math
from dataclasses import replace

import torch
from pyro import poutine
from torch import Tensor

from zoo.energies import Bipartite, Boltzmann, LogZ, log_z
from zoo.isolation import isolated
from zoo.metrics.metric import Metric, plus_minus
from zoo.program import Program
from zoo.traces import run, sample_sites

NO_ENERGY = LogZ(0.0, 0.0, "")
_LAST: list[tuple[Bipartite, LogZ]] = []  # the last machine; its log Z follows from it alone


def log_z_of(program: Program, args: tuple, picked: Tensor | None) -> LogZ:
    """Log Z of the model, the same at each call; 0 where its log p is normalised.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device; some rows are enough.
        picked: indices of those rows, shape (rows,); None for all of them.
    """
    if not program.latents.energy_units:
        return NO_ENERGY
    with isolated(seed=0):
        return _remembered(machine_of(program, args, picked))


@torch.no_grad()
def machine_of(program: Program, args: tuple, picked: Tensor | None) -> Bipartite:
    """The units of the model's energy, with its parameters as they are; see :func:`log_z_of`."""
    pair = program.pair
    with isolated(seed=0), poutine.block(), program.handlers(picked):
        sites = sample_sites(run(pair.model, pair.guide, args, program.kwargs).model)
    (fn,) = [site["fn"] for site in sites if isinstance(site["fn"], Boltzmann)]
    return fn.machine.detached()


def _remembered(machine: Bipartite) -> LogZ:
    if _LAST and all(_same(*pair) for pair in zip(_LAST[0][0], machine, strict=True)):
        return _LAST[0][1]
    kept = Bipartite(*(part.clone() for part in machine.detached()))
    _LAST[:] = [(kept, log_z(machine))]
    return _LAST[0][1]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)


def with_shared_error(metric: Metric, constant: LogZ) -> Metric:
    """A mean over rows of log p(x), or of a bound, with the error of log Z.

    All rows share it, so that it does not fall with their number.
    """
    if not constant.how:
        return metric
    said = f"log Z = {constant.value:.2f}, {constant.how}"
    if not constant.error:
        return metric.noted(said)
    estimate = plus_minus(constant.value, constant.error)
    said = f"log Z = {estimate} {constant.how}; all rows share its error"
    return replace(metric, se=math.hypot(metric.se, constant.error)).noted(said)
