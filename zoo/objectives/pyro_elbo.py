"""Pyro's own ELBO instances, passed as they are.

Each is run on the traces that it draws itself. Where Pyro forms its loss with ``.item()`` calls,
which read the device at every step, the same loss is formed here from those traces.
"""

import warnings
from dataclasses import dataclass

import pyro
import torch
from pyro.infer import (
    ELBO,
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
from zoo.objectives.target import Evidence, Target, both
from zoo.traces import Pair, Traces, add_up, with_gradient

NEEDS: dict[type, Needs] = {
    Trace_ELBO: Needs(),
    TraceGraph_ELBO: Needs(),
    TraceMeanField_ELBO: Needs(reparameterised=True, factorised=True),
    TraceEnum_ELBO: Needs(sums_out=frozenset({Kind.DISCRETE})),
    RenyiELBO: Needs(),
    ReweightedWakeSleep: Needs(),
}


@dataclass(frozen=True)
class PyroELBO(Objective):
    """Wraps one of Pyro's ELBO instances; gives its loss and its gradient, nothing else.

    Raises:
        ValueError: if the class of `elbo` is none that is known here.
    """

    elbo: ELBO

    def __post_init__(self) -> None:
        if type(self.elbo) not in NEEDS:
            known = ", ".join(kind.__name__ for kind in NEEDS)
            raise ValueError(
                f"Expected one of Pyro's {known}; got {type(self.elbo).__name__}. "
                "Write an Objective with its loss instead."
            )

    @property
    def needs(self) -> Needs:
        """Needs of the wrapped class."""
        return NEEDS[type(self.elbo)]

    @property
    def target(self) -> Target:
        """The ELBO; none for classes that weigh all rows together, whose bound is another."""
        joint = isinstance(self.elbo, (RenyiELBO, ReweightedWakeSleep))
        return Target(None, None) if joint else both(Evidence())

    def evaluations(self, latents: Latents) -> int:
        """One a particle."""
        return int(self.elbo.num_particles)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The wrapped loss as a tensor, nats, shape ().

        Raises:
            ValueError: for RenyiELBO and ReweightedWakeSleep, which only form gradients.
        """
        elbo, model, guide = self.elbo, pair.model, pair.guide
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
        if not isinstance(self.elbo, (RenyiELBO, ReweightedWakeSleep)):
            return super().backward(pair, state, args, kwargs)
        if pair.latents.subsampled and isinstance(self.elbo, RenyiELBO):
            warnings.warn(
                "Pyro's RenyiELBO multiplies log-weights by N / batch inside its log-mean-exp: "
                "under a minibatch its value is no bound. Use zoo.objectives.Renyi or IWAE.",
                stacklevel=2,
            )
        loss = self.elbo.loss_and_grads(_declares(pair.model), pair.guide, *args, **kwargs)
        return torch.as_tensor(loss[0] if isinstance(loss, tuple) else loss)


def _declares(model: Model) -> Model:
    """`model` with one parameter statement: without any, Pyro leaves all gradients at zero."""

    def declared(*args: object, **kwargs: object) -> object:
        pyro.param("_declared", torch.zeros(()))
        return model(*args, **kwargs)

    return declared
