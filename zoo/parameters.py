"""Where the parameters of a Pyro program live: modules it reaches, and ``pyro.param`` statements.

Both kinds end up as ordinary ``nn.Parameter`` of ordinary modules, so that one torch optimizer,
``functional_call`` and a checkpoint see all of them, and the global parameter store none.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor, nn
from torch.distributions import constraints, transform_to
from torch.distributions.constraints import Constraint


def reachable_modules(fn: Callable) -> list[nn.Module]:
    """Modules that a callable is, holds in a tuple, is bound to, or refers to from outside."""
    if isinstance(fn, nn.Module):
        held = [part for value in vars(fn).values() if isinstance(value, tuple) for part in value]
        return [fn, *(part for part in held if isinstance(part, nn.Module))]
    if isinstance(fn, partial):  # what poutine.condition and its like are
        parts = [part for part in (fn.func, *fn.args, *fn.keywords.values()) if callable(part)]
        return [module for part in parts for module in reachable_modules(part)]
    if inspect.ismethod(fn):
        return reachable_modules(fn.__self__) if isinstance(fn.__self__, nn.Module) else []
    if not inspect.isfunction(fn):
        return []
    names = inspect.getclosurevars(fn)
    values = [*names.nonlocals.values(), *names.globals.values()]
    return [value for value in values if isinstance(value, nn.Module)]


@contextmanager
def in_eval_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, all of the modules are in eval mode: no dropout, and no running averages move."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    for part, _ in before:
        part.training = False
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


class StoreParameters(nn.Module, Messenger):
    """The ``pyro.param`` statements of a model and a guide, as one module and one handler.

    Under the handler each statement yields the module's own parameter, mapped to its constraint.

    Args:
        statements: name -> (constrained initial value, constraint).
    """

    def __init__(self, statements: dict[str, tuple[Tensor, Constraint]]) -> None:
        nn.Module.__init__(self)
        Messenger.__init__(self)
        self.names = tuple(statements)
        self.constraints = tuple(constraint for _, constraint in statements.values())
        self.values = nn.ParameterList(
            transform_to(constraint).inv(value.detach()).clone()
            for value, constraint in statements.values()
        )

    def _pyro_param(self, msg: Message) -> None:
        if msg["name"] in self.names:
            i = self.names.index(msg["name"])
            msg["value"] = transform_to(self.constraints[i])(self.values[i])


def find_statements(
    traces: Iterable[Trace], modules: Iterable[nn.Module]
) -> dict[str, tuple[Tensor, Constraint]]:
    """The ``pyro.param`` statements in `traces` whose parameters no module of `modules` holds."""
    held = {id(parameter) for module in modules for parameter in module.parameters()}
    found: dict[str, tuple[Tensor, Constraint]] = {}
    for trace in traces:
        for name, node in trace.nodes.items():
            if node["type"] == "param" and id(_unconstrained(node["value"])) not in held:
                constraint = node["kwargs"].get("constraint", constraints.real)
                found[name] = node["value"], constraint  # type: ignore[assignment]
    return found


def _unconstrained(value: Any) -> Any:
    """The parameter behind a value of the store: Pyro leaves a weak reference on it."""
    reference = vars(value).get("unconstrained")
    return value if reference is None else reference()


def adopt(modules: Iterable[nn.Module]) -> None:
    """Lets Pyro modules that were built under global parameters run under local ones."""
    for module in modules:
        for part in module.modules():
            context = vars(part).get("_pyro_context")
            if context is not None:
                vars(context).setdefault("param_state", {"params": {}, "constraints": {}})


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name, detached and copied."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def restore(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copies values from :func:`named_tensors` back in place."""
    for name, value in module.state_dict().items():
        value.copy_(tensors[name])
