"""Simulated data: latents and data drawn from the model, and log q of those latents."""

from typing import Any, NamedTuple

import torch
from pyro import poutine
from torch import Tensor

from zoo.objectives.log_ratio import Values
from zoo.traces import Assign, Pair, add_up, sample_sites


class SimulatedData(NamedTuple):
    """One joint draw of the model, all of it constant for autograd.

    Attributes:
        values: the latents by site.
        args: the arguments with the simulated data in the place of the observed.
        kwargs: the keyword arguments, likewise.
    """

    values: Values
    args: tuple
    kwargs: dict


def simulate_data(pair: Pair, args: tuple, kwargs: dict) -> SimulatedData:
    """Draws latents and data from the model.

    Args:
        pair: the model and the guide.
        args: arguments of both; of what the model observes only the shape matters.
        kwargs: their keyword arguments.

    Raises:
        ValueError: if what a site observes is not itself an argument, so that a draw of it
            cannot be shown to the guide.
    """
    asleep = poutine.trace(poutine.uncondition(pair.model))
    with torch.no_grad():
        trace = poutine.util.prune_subsample_sites(asleep.get_trace(*args, **kwargs))
    given = {id(value) for value in (*args, *kwargs.values())}
    values: dict[str, Any] = {}
    simulated: dict[int, Any] = {}
    for site in sample_sites(trace):
        infer = site["infer"] or {}
        if "was_observed" not in infer:
            values[str(site["name"])] = site["value"]
        elif not infer.get("_deterministic"):
            _require_argument(str(site["name"]), infer["obs"], given)
            simulated[id(infer["obs"])] = site["value"]
    return SimulatedData(
        values,
        tuple(simulated.get(id(value), value) for value in args),
        {name: simulated.get(id(value), value) for name, value in kwargs.items()},
    )


def _require_argument(name: str, observed: object, given: set[int]) -> None:
    if id(observed) not in given:
        shape = tuple(observed.shape) if isinstance(observed, Tensor) else observed
        raise ValueError(
            f"Simulated data replace an argument of the model; what '{name}' observes, of shape "
            f"{shape}, is not one as it was passed. Give the model the tensor that it observes "
            f"as an argument, obs= that very tensor, or use rws with sleep=0."
        )


def log_q_of_simulated(pair: Pair, count: int, args: tuple, kwargs: dict) -> Tensor:
    """Mean log q(z | x) over simulated pairs (x, z), counted N / batch times: nats, shape ().

    Args:
        pair: the model and the guide.
        count: number of simulated pairs for every row.
        args: arguments of both.
        kwargs: their keyword arguments.

    Raises:
        ValueError: if what the model simulates cannot be shown to the guide.
    """
    return add_up(_log_q(pair, simulate_data(pair, args, kwargs)) for _ in range(count)) / count


def _log_q(pair: Pair, one: SimulatedData) -> Tensor:
    with Assign(one.values):
        trace = poutine.trace(pair.guide).get_trace(*one.args, **one.kwargs)
    trace = poutine.util.prune_subsample_sites(trace)
    trace.compute_log_prob()
    return add_up(site["log_prob"].sum() for site in sample_sites(trace))
