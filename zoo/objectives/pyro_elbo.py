"""Pyro's own ELBO instances, passed as they are, and classes that descend from them.

Each of Pyro's is run on the traces that it draws itself. Where Pyro forms its loss with calls of
``.item()``, which read the device at every step, the same loss is formed here from those traces.
A class of somebody else's runs its own ``loss_and_grads``, as under Pyro's SVI.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import (
    ELBO,
    JitTrace_ELBO,
    JitTraceEnum_ELBO,
    JitTraceGraph_ELBO,
    JitTraceMeanField_ELBO,
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from torch import Tensor, nn

from zoo.latents import Kind, Latents, Model
from zoo.objectives import mean_field, trace
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Elbo, Target, both
from zoo.traces import Pair, Traces, add_up, with_gradient

NEEDS: dict[type, Needs] = {
    Trace_ELBO: Needs(),
    TraceGraph_ELBO: Needs(),
    TraceMeanField_ELBO: Needs(reparameterised=True, factorised=True),
    TraceEnum_ELBO: Needs(sums_out=frozenset({Kind.DISCRETE}), marked=True),
    RenyiELBO: Needs(nonlinear=True),
    ReweightedWakeSleep: Needs(nonlinear=True, density=True),
}
JIT: dict[type, type] = {
    JitTrace_ELBO: Trace_ELBO,
    JitTraceGraph_ELBO: TraceGraph_ELBO,
    JitTraceMeanField_ELBO: TraceMeanField_ELBO,
    JitTraceEnum_ELBO: TraceEnum_ELBO,
}


@dataclass(frozen=True)
class PyroELBO(Objective):
    """Wraps one of Pyro's ELBO instances; gives its loss and its gradient, nothing else.

    Raises:
        ValueError: for Pyro's Jit classes, whose gradients Pyro's own tests call incorrect.
    """

    elbo: ELBO

    def __post_init__(self) -> None:
        plain = next((JIT[one] for one in type(self.elbo).__mro__ if one in JIT), None)
        if plain is not None:
            raise ValueError(
                f"{type(self.elbo).__name__} compiles a step by itself; Pyro's own tests mark its "
                f"gradients as incorrect. Pass {plain.__name__}() and compile=True."
            )

    @property
    def known(self) -> bool:
        """Is it one of Pyro's own, and not a class that descends from them?"""
        return type(self.elbo) in NEEDS

    @property
    def value_is_bound(self) -> bool:
        """Of Pyro's own classes; of a class that descends from them nothing is known."""
        return self.known

    @property
    def needs(self) -> Needs:
        """Needs of the nearest of Pyro's classes; none for a class with a loss of its own."""
        found = (NEEDS[one] for one in type(self.elbo).__mro__ if one in NEEDS)
        return next(found, Needs())

    @property
    def target(self) -> Target:
        """The ELBO; none where all rows are weighed together, or the class is not Pyro's own."""
        joint = isinstance(self.elbo, (RenyiELBO, ReweightedWakeSleep))
        return both(Elbo()) if self.known and not joint else Target(None, None)

    def evaluations(self, latents: Latents) -> int:
        """One a particle."""
        return int(self.elbo.num_particles)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The wrapped loss as a tensor, nats, shape ().

        Raises:
            ValueError: for ReweightedWakeSleep, for RenyiELBO where gradients are recorded, and
                for other classes without a ``differentiable_loss``.
        """
        elbo, model, guide = self.elbo, pair.model, pair.guide
        if isinstance(elbo, (TraceEnum_ELBO, RenyiELBO)) and not torch.is_grad_enabled():
            _count_plates(elbo, pair, args, kwargs)
            return torch.as_tensor(elbo.loss(model, guide, *args, **kwargs))
        if not self.known:
            return _own_loss(elbo, model, guide, args, kwargs)
        _count_plates(elbo, pair, args, kwargs)
        if isinstance(elbo, TraceGraph_ELBO):
            value, surrogate = elbo._loss_and_surrogate_loss(model, guide, args, kwargs)
            return with_gradient(-value, surrogate)
        if isinstance(elbo, TraceEnum_ELBO):
            return elbo.differentiable_loss(model, guide, *args, **kwargs)
        if not isinstance(elbo, Trace_ELBO):
            raise ValueError(
                f"{type(elbo).__name__} calls .backward() itself and has no loss to differentiate."
            )
        formula = mean_field if isinstance(elbo, TraceMeanField_ELBO) else trace
        runs = [Traces(*found) for found in elbo._get_traces(model, guide, args, kwargs)]
        return add_up(formula.negative_elbo(traces) for traces in runs) / elbo.num_particles

    def backward(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Adds the gradient estimate to every parameter's ``grad``; returns the loss, shape ()."""
        if self.known and not isinstance(self.elbo, (RenyiELBO, ReweightedWakeSleep)):
            return super().backward(pair, state, args, kwargs)
        if pair.latents.subsampled and isinstance(self.elbo, RenyiELBO):
            warnings.warn(
                "Pyro's RenyiELBO multiplies log-weights by N / batch inside its log-mean-exp: "
                "under a minibatch its value is no bound. Use zoo.objectives.Renyi or IWAE.",
                stacklevel=2,
            )
        _count_plates(self.elbo, pair, args, kwargs)
        elbo: Any = self.elbo  # Pyro's base class does not declare what SVI calls
        with poutine.block(hide=["_declared"]):
            loss = elbo.loss_and_grads(_declares(pair.model), pair.guide, *args, **kwargs)
        return torch.as_tensor(loss[0] if isinstance(loss, tuple) else loss)


def _count_plates(elbo: ELBO, pair: Pair, args: tuple, kwargs: dict) -> None:
    """Has Pyro count the nested plates, where it would in its first step, on noise of its own.

    It draws for that once in an ELBO's life; a resumed fit, or a second one, draws otherwise.
    """
    counts = elbo.vectorize_particles or isinstance(elbo, TraceEnum_ELBO)
    if counts and math.isinf(elbo.max_plate_nesting):
        with torch.random.fork_rng():
            elbo._guess_max_plate_nesting(pair.model, pair.guide, args, kwargs)


def _declares(model: Model) -> Model:
    """`model` with one parameter statement: without any, Pyro leaves all gradients at zero."""

    def declared(*args: object, **kwargs: object) -> object:
        pyro.param("_declared", torch.zeros(()))
        return model(*args, **kwargs)

    return declared


def _own_loss(elbo: ELBO, model: Model, guide: Callable, args: tuple, kwargs: dict) -> Tensor:
    """The loss of a class that descends from one of Pyro's; a capture checks its gradient."""
    if not isinstance(elbo, (Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO)):
        raise ValueError(
            f"{type(elbo).__name__} forms gradients by loss_and_grads and has no loss to "
            "differentiate. Use compile=False."
        )
    if isinstance(elbo, TraceGraph_ELBO):
        value, surrogate = elbo._loss_and_surrogate_loss(model, guide, args, kwargs)
        return with_gradient(-value, surrogate)
    return elbo.differentiable_loss(model, guide, *args, **kwargs)
