"""Particles: many draws of a model or a guide in one run, where it broadcasts over them."""

from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine.subsample_messenger import _Subsample
from pyro.poutine.trace_struct import Trace

from zoo.handlers.prior import Feasible


def why_narrow(model: Callable, trace: Trace, nesting: int, args: tuple, kwargs: dict) -> str:
    """Why the model does not broadcast over particles; empty if it does.

    Runs it on two particles at once; whatever it raises there means that it does not. Shapes can
    fit by chance (z[0] of two particles), so each must also score as it does alone.
    """
    wide = poutine.trace(particles(model, 2, nesting))
    names = [name for name, node in trace.nodes.items() if node["type"] == "sample"]
    try:
        with poutine.block(), torch.no_grad(), Feasible(_device(trace)):
            found = wide.get_trace(*args, **kwargs)
            found.compute_log_prob()
            for name in names:
                shape = tuple(found.nodes[name]["log_prob"].shape)
                if len(shape) <= nesting or shape[-1 - nesting] != 2:
                    return f"log p of '{name}' has shape {shape} under two particles"
            alone = (_scores_alone(model, trace, found, i, nesting, args, kwargs) for i in (0, 1))
            return "" if all(alone) else "two particles at once do not score as each does alone"
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AssertionError) as error:
        said = str(error).strip().splitlines()
        return f"two particles at once raise {type(error).__name__}: {said[0] if said else ''}"


def _scores_alone(
    model: Callable, trace: Trace, wide: Trace, i: int, nesting: int, args: tuple, kwargs: dict
) -> bool:
    """Has particle `i` of `wide` the log-probabilities that the model gives its values alone?"""
    nodes: dict[str, Any] = dict(wide.nodes)
    sites: dict[str, Any] = {n: v for n, v in trace.nodes.items() if v["type"] == "sample"}
    plates = {n: node["value"] for n, node in nodes.items() if _is_subsample(node)}
    values = {
        n: nodes[n]["value"].select(-1 - nesting - len(node["fn"].event_shape), i)
        for n, node in sites.items()
        if not node["is_observed"]
    }
    values = {n: value.reshape(sites[n]["value"].shape) for n, value in values.items()}
    alone = poutine.trace(poutine.condition(model, data={**plates, **values}))
    scored = alone.get_trace(*args, **kwargs)
    scored.compute_log_prob()
    pairs = ((scored.nodes[n]["log_prob"], nodes[n]["log_prob"]) for n in sites)
    return all(
        torch.allclose(one.sum(), two.select(-1 - nesting, i).sum(), rtol=1e-3, equal_nan=True)
        for one, two in pairs
    )


def particles(fn: Callable, count: int, nesting: int) -> Callable:
    """`fn` run on `count` particles at once, in a plate to the left of all its own."""

    def vectorised(*args: object, **kwargs: object) -> object:
        with pyro.plate("particles", count, dim=-1 - nesting):
            return fn(*args, **kwargs)

    return vectorised


def _is_subsample(node: dict) -> bool:
    return node["type"] == "sample" and isinstance(node["fn"], _Subsample)


def _device(trace: Trace) -> torch.device:
    values: Any = [node["value"] for node in trace.nodes.values() if node["type"] == "sample"]
    return values[0].device
