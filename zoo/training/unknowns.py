"""What is unknown in a model: latents that rows share, local latents, parameters."""

from collections.abc import Callable
from dataclasses import dataclass

from pyro import poutine
from pyro.infer.autoguide import AutoDelta, AutoLaplaceApproximation
from torch import Tensor, no_grad

from zoo.copies import copies, held_modules
from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.latents import Family, Kind, describe
from zoo.latents.family import class_of
from zoo.task import Task

POINTS = (AutoDelta, AutoLaplaceApproximation)  # guides that train a point, and no distribution


@dataclass(frozen=True)
class Unknowns:
    """What is unknown in a model, as far as it decides how a fit may end.

    Attributes:
        why_not: why not all latents are shared by rows, or the guide none over these: a clause
            without a full stop; None where all are.
        parameters: numbers in the model's own parameters, those of its networks included.
        named: the name of the first of these parameters; None if there are none.
        latents: numbers in the latents.
    """

    why_not: str | None
    parameters: int = 0
    named: str | None = None
    latents: int = 0


def unknowns(
    task: Task, guide: Callable, kwargs: dict[str, object] | None = None, *, frozen: bool = False
) -> Unknowns:
    """What is unknown in a model.

    Args:
        task: the model and its data.
        guide: a guide, or its class or partial.
        kwargs: keyword arguments of the model.
        frozen: are the model's parameters held?
    """
    kind = class_of(guide)
    if issubclass(kind, POINTS):
        return Unknowns(f"{kind.__name__} trains a point")
    if issubclass(kind, Family) and "global" not in kind.scopes:
        return Unknowns(f"{kind.__name__} is for latents of data rows")
    args, kwargs = task.split("train"), kwargs or {}
    with isolated(seed=0), no_grad():
        try:
            own = task.build()
            model, _ = copies(own, own)
            with in_eval_mode(held_modules(model)), Minibatch(None, None):
                latents = describe(model, *args, **kwargs)  # type: ignore[arg-type]
                trace = poutine.trace(model).get_trace(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  said again where the model is built
            return Unknowns(f"the model did not run: {error}")
    why = "latents belong to data rows" if latents.rowwise else None
    why = why if latents.sites else "the model has no latents"
    stated = {name: _value(trace, name).numel() for name in trace.param_nodes}
    found = [] if frozen else [sizes for sizes in (_held(own), stated) if sizes]
    numbers = max((sum(sizes.values()) for sizes in found), default=0)
    named = next(iter(found[0])) if found else None
    size = sum(site.size for site in latents.sites if site.kind is Kind.CONTINUOUS)
    return Unknowns(why, numbers, named, size)


def _value(trace: poutine.Trace, name: str) -> Tensor:
    value = trace.nodes[name]["value"]
    assert isinstance(value, Tensor)
    return value


def _held(model: Callable) -> dict[str, int]:
    """The parameters that a model's modules hold, those it refers to included."""
    named = (item for module in held_modules(model) for item in module.named_parameters())
    once = dict[int, tuple[str, Tensor]]()  # a module and a part of it are both held
    for name, value in named:
        if value.requires_grad:
            once.setdefault(id(value), (name, value))
    return {name: value.numel() for name, value in once.values()}
