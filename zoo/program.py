"""One SVI step as a module: every parameter, buffer and schedule of it in one place.

The plain loop runs it, a compiler can capture it, a checkpoint stores its state.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pyro.infer.autoguide import AutoGuide
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor, nn

from zoo.latents import Family, Latents, Model, describe
from zoo.minibatch import Minibatch
from zoo.objectives import Objective
from zoo.pairing import PairingError, check
from zoo.parameters import StoreParameters, adopt, find_statements, reachable_modules
from zoo.rules import covered
from zoo.schedules import Schedule
from zoo.traces import Pair, run


class Program(nn.Module):
    """A model, a guide and an objective as one module whose forward is the loss of one step.

    Build it with :func:`build`; the fields are then consistent.
    """

    def __init__(
        self,
        pair: Pair,
        objective: Objective,
        *,
        kl_weight: Schedule | None,
        kwargs: dict[str, object],
        store: StoreParameters,
    ) -> None:
        super().__init__()
        self.model, self.guide, self.latents = pair.model, pair.guide, pair.latents
        self.objective, self.kl_weight, self.kwargs = objective, kl_weight, kwargs
        self.state = objective.state(pair.latents)
        self.store = store
        owned = {id(pair.model), id(pair.guide)}
        reached = reachable_modules(pair.model) + reachable_modules(pair.guide)
        self.reached = nn.ModuleList(part for part in reached if id(part) not in owned)

    @property
    def pair(self) -> Pair:
        """The model as the guide trains against it, and the guide."""
        model = self.guide.view(self.model) if isinstance(self.guide, Family) else self.model
        return Pair(model, self.guide, self.latents)

    def forward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Loss of one step, nats for the full data, shape ().

        Args:
            step: number of the step, shape (); the schedules' clock.
            rows: which data rows `args` hold, shape (batch,); None means all of them.
            *args: arguments of the model and the guide.
        """
        with self._handlers(step, rows):
            return self.objective.loss(self.pair, self.state, args, self.kwargs)

    def backward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Adds the step's gradient to every parameter's ``grad``; returns the loss, shape ()."""
        with self._handlers(step, rows):
            return self.objective.backward(self.pair, self.state, args, self.kwargs)

    def handlers(self, rows: Tensor | None, *, size: int | None = None) -> "Handlers":
        """The effect handlers under which the pair runs outside of training."""
        return Handlers(self.store, Minibatch(rows, size), None)

    def _handlers(self, step: Tensor, rows: Tensor | None) -> "Handlers":
        if isinstance(self.guide, Family):
            self.guide.advance(step)  # type: ignore[attr-defined]
        size = None
        if rows is not None and self.latents.row_plate is not None:
            size = self.latents.row_plate.size
        weight = None if self.kl_weight is None else self.kl_weight(step)
        return Handlers(self.store, Minibatch(rows, size), weight)


class Handlers:
    """Parameters, minibatch and KL weight, entered together; validation off, parameters local."""

    def __init__(self, store: Messenger, rows: Minibatch, weight: Tensor | None) -> None:
        self.parts = [store, rows] + ([] if weight is None else [Anneal(weight)])

    def __enter__(self) -> None:
        for part in self.parts:
            part.__enter__()

    def __exit__(self, *error: Any) -> None:
        for part in reversed(self.parts):
            part.__exit__(*error)


class Anneal(Messenger):
    """Multiplies log p(z) - log q(z), the negative KL term, by a weight (KL warm-up)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def _pyro_sample(self, msg: Message) -> None:
        if not msg["is_observed"] and not isinstance(msg["fn"], _Subsample):
            msg["scale"] = msg["scale"] * self.weight


def build(
    model: Model,
    guide: Callable,
    objective: Objective,
    args: tuple,
    kwargs: dict[str, object] | None = None,
    *,
    rows: int | None = None,
    kl_weight: Schedule | None = None,
    device: torch.device | str = "cpu",
) -> Program:
    """Puts a model, a guide and an objective together, on copies of what was passed.

    Run it inside :func:`zoo.isolation.isolated`.

    Args:
        model: any Pyro model.
        guide: a guide class of the zoo, a partial of one, a built guide, a Pyro AutoGuide
            (class or instance), or a guide function.
        objective: what to minimise.
        args: arguments of the model, on `device`; a minibatch is enough.
        kwargs: keyword arguments of the model.
        rows: full number of data rows, where `args` hold a minibatch.
        kl_weight: weight of the KL term at each step.
        device: where to train.

    Raises:
        PairingError: if the three do not go together.
    """
    kwargs = kwargs or {}
    model, guide = _copies(model, guide)
    reached = [part.to(device) for part in reachable_modules(model)]
    latents = describe(model, *args, rows=rows, **kwargs)
    check(latents, guide, objective)
    guide = _build_guide(guide, latents, model)
    reached += [part.to(device) for part in reachable_modules(guide)]
    adopt(reached)
    pair = Pair(model, guide, latents)
    with Minibatch(None, rows), torch.no_grad():
        traces = run(model, guide, args, kwargs)
    _check_sites(pair, traces.guide, objective)
    reached += [part.to(device) for part in reachable_modules(guide)]
    store = StoreParameters(find_statements(traces, reached)).to(device)
    program = Program(pair, objective, kl_weight=kl_weight, kwargs=kwargs, store=store)
    return program.to(device)


def _copies(model: Model, guide: Callable) -> tuple[Model, Callable]:
    """Copies of both that still refer to each other.

    Copying an AutoGuide cuts it and its original off from their model: it is put back on both.
    """
    memo: dict = {}
    parts = guide.modules() if isinstance(guide, nn.Module) else ()
    autos = [(part, part._model) for part in parts if isinstance(part, AutoGuide)]
    try:
        copied = copy.deepcopy((model, guide), memo)
        for auto, own in autos:
            memo[id(auto)]._model = copy.deepcopy(own, memo)
    except RuntimeError as error:
        raise ValueError(
            f"Cannot copy the model and the guide: {error} Pass the guide's class (or a partial "
            "of it) instead of an instance that has run already."
        ) from error
    finally:
        for auto, own in autos:
            auto._model = own
    return copied


def _build_guide(guide: Callable, latents: Latents, model: Model) -> Callable:
    family = guide.func if isinstance(guide, partial) else guide
    if isinstance(family, type) and issubclass(family, Family):
        taken = covered(latents, family)
        return guide(taken, model) if family.takes_model else guide(taken)
    if isinstance(family, type) and issubclass(family, AutoGuide):
        return guide(model)
    return guide


def _check_sites(pair: Pair, guide_trace: object, objective: Objective) -> None:
    """Refuses a hand-written guide that leaves a latent to nobody."""
    held = set(guide_trace.nodes)  # type: ignore[attr-defined]
    kinds = objective.needs.sums_out
    left = [site for site in pair.latents.sites if site.name not in held]
    left = [site for site in left if not (site.kind in kinds and site.classes)]
    if left:
        raise PairingError(
            f"The guide samples {sorted(held)}; the model's latent '{left[0].name}' is not among "
            "them. Sample it in the guide, or use an objective that sums it out: enumerate."
        )
