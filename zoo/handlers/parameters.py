"""Where the parameters of a Pyro program live: modules it reaches, and ``pyro.param`` statements.

Both kinds end up as ordinary ``nn.Parameter`` of ordinary modules, so that one torch optimizer,
``functional_call`` and a checkpoint see all of them, and the global parameter store none.
"""

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from pyro.nn import PyroModule
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
    return _referred_to(fn)


def unnamed_modules(fn: Callable) -> list[nn.Module]:
    """Modules that a function refers to, and that only ``pyro.module`` would show to Pyro."""
    if isinstance(fn, partial):
        parts = [part for part in (fn.func, *fn.args, *fn.keywords.values()) if callable(part)]
        return [module for part in parts for module in unnamed_modules(part)]
    return [module for module in _referred_to(fn) if not isinstance(module, PyroModule)]


def _referred_to(fn: Callable) -> list[nn.Module]:
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
        registered: names of all param statements met so far, those of modules too.

    Attributes:
        names: of the statements, in the order of `values`.
        values: the unconstrained parameters.
        early: how many of them were there from the start.
    """

    def __init__(
        self, statements: dict[str, tuple[Tensor, Constraint]], registered: Iterable[str] = ()
    ) -> None:
        nn.Module.__init__(self)
        Messenger.__init__(self)
        self.names: tuple[str, ...] = ()
        self.constraints: list[Constraint | None] = []
        self.values = nn.ParameterList()
        for name, (value, constraint) in statements.items():
            self.add(name, value, constraint)
        self.registered = {*registered, *statements}
        self.early = len(self.names)

    @property
    def late(self) -> list[nn.Parameter]:
        """The parameters that were added later, by statements that the first run did not meet."""
        return list(self.values)[self.early :]

    def add(self, name: str, value: Tensor, constraint: Constraint) -> None:
        """Adds the parameter of a statement, with its constrained initial value."""
        start = transform_to(constraint).inv(value.detach()).clone()
        self.names += (name,)
        self.constraints.append(constraint)
        self.values.append(nn.Parameter(start))

    def match(self, names: Sequence[str], values: Sequence[Tensor]) -> None:
        """Holds the named late parameters and no others: those of an earlier state of training.

        Args:
            names: of all statements, the early ones first.
            values: their unconstrained values; a constraint is known when its statement is met.
        """
        pairs = takewhile(lambda pair: pair[0] == pair[1], zip(self.names, names, strict=False))
        same = tuple(name for name, _ in pairs)
        self.names, self.constraints = same, self.constraints[: len(same)]
        self.values = nn.ParameterList(list(self.values)[: len(same)])
        for name, value in list(zip(names, values, strict=True))[len(same) :]:
            self.names += (name,)
            self.constraints.append(None)
            self.values.append(nn.Parameter(value.detach().clone()))

    def _pyro_param(self, msg: Message) -> None:
        if msg["name"] in self.names:
            i = self.names.index(msg["name"])
            constraint = self.constraints[i]
            if constraint is None:
                constraint = msg["kwargs"].get("constraint", constraints.real)
                self.constraints[i] = constraint
            value: Any = transform_to(constraint)(self.values[i])
            if msg["kwargs"].get("event_dim") is not None:  # plates that subsample it look there
                value = value.view_as(value)
                value.unconstrained = weakref.ref(self.values[i])
            msg["value"] = value


def find_statements(
    traces: Iterable[Trace], modules: Iterable[nn.Module]
) -> dict[str, tuple[Tensor, Constraint]]:
    """The ``pyro.param`` statements in `traces` whose parameters no module of `modules` holds."""
    held = {id(parameter) for module in modules for parameter in module.parameters()}
    found: dict[str, tuple[Tensor, Constraint]] = {}
    for trace in traces:
        nodes: list[Any] = [node for node in trace.nodes.values() if node["type"] == "param"]
        for node in nodes:
            asked_for_only = len(node["args"]) == 1 and node["name"] in found
            if not asked_for_only and id(_unconstrained(node["value"])) not in held:
                constraint = node["kwargs"].get("constraint", constraints.real)
                found[node["name"]] = _whole(node["value"], constraint), constraint
    return found


def _unconstrained(value: Any) -> Any:
    """The parameter behind a value of the store: Pyro leaves a weak reference on it."""
    if "_pyro_unconstrained_param" in vars(value):
        return value._pyro_unconstrained_param
    reference = vars(value).get("unconstrained")
    return value if reference is None else reference()


def _whole(value: Any, constraint: Constraint) -> Tensor:
    """The value of the store, of which a plate that subsamples takes a part."""
    if "_pyro_unconstrained_param" not in vars(value):
        return value
    return transform_to(constraint)(value._pyro_unconstrained_param)


def adopt(modules: Iterable[nn.Module]) -> None:
    """Lets Pyro modules that were built under global parameters run under local ones."""
    for module in modules:
        for part in module.modules():
            context = vars(part).get("_pyro_context")
            if context is not None:
                vars(context).setdefault("param_state", {"params": {}, "constraints": {}})


@contextmanager
def set_to(module: nn.Module, new: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, parameters and saved buffers of real numbers have other values.

    Those that share memory among their own elements stay as they are, and so do buffers that a
    state does not hold.

    Args:
        module: whose.
        new: a value -> the one that it has inside, of the same shape.
    """
    every = module.state_dict(keep_vars=True).values()
    tensors = [one for one in every if one.is_floating_point() and not shares_memory(one)]
    before = [one.detach().clone() for one in tensors]
    try:
        with torch.no_grad():
            for one, value in zip(tensors, before, strict=True):
                one.copy_(new(value))
        yield
    finally:
        with torch.no_grad():
            for one, value in zip(tensors, before, strict=True):
                one.copy_(value)


def shares_memory(tensor: Tensor) -> bool:
    """Do several elements share memory, or is the tensor not strided?"""
    if tensor.layout != torch.strided:
        return True
    return any(n > 1 and s == 0 for n, s in zip(tensor.shape, tensor.stride(), strict=True))


def spread(shape: torch.Size, low: float, high: float) -> Tensor:
    """Equally spaced numbers from `low` to `high`, no two equal and none a special value."""
    return torch.linspace(low, high, shape.numel()).reshape(shape)


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name, detached and copied."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def restore(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copies values of :func:`named_tensors` back in place; later parameters stay as they are."""
    stores = [part for part in module.modules() if isinstance(part, StoreParameters)]
    late = {id(parameter) for store in stores for parameter in store.late}
    for name, value in module.state_dict(keep_vars=True).items():
        if name in tensors or id(value) not in late:
            value.copy_(tensors[name])
