"""Copies of a model and a guide, made together so that they still share what they shared."""

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import TypeVar

from pyro.infer.autoguide import AutoGuide
from torch import Tensor, nn

Own = TypeVar("Own", bound=nn.Module)
LIBRARIES = {"torch", "pyro", *sys.stdlib_module_names}  # their globals hold nothing of a user's


def copies(model: Callable, guide: Callable) -> tuple[Callable, Callable]:
    """Copies of both; where one refers to the other, its copy refers to the other's copy.

    A plain function is not copied, and neither are the modules that it refers to, not even where
    the other one holds them too. An AutoGuide and its copy both lose their model when it is
    copied, and both are given theirs again.

    Raises:
        ValueError: if something in them cannot be copied.
    """
    parts = list(held([model, guide]))
    functions = [part for part in parts if inspect.isfunction(part)]
    shared = [part for part in held(functions) if isinstance(part, nn.Module)]
    memo: dict = {id(part): part for module in shared for part in module.modules()}
    autos = [(part, part._model) for part in parts if isinstance(part, AutoGuide)]
    try:
        copied = copy.deepcopy((model, guide), memo)
        for auto, own in autos:
            if memo.get(id(auto), auto) is not auto:
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


def copied_as_it_stands(module: Own) -> Own:
    """A deep copy of a module that has run: what its last run left behind is detached in the copy.

    A flow keeps its last pair of points, which hang on the graph of that run; torch does not copy
    such tensors.
    """
    left = (value for part in module.modules() for value in vars(part).values())
    tensors = (one for value in left for one in (value if isinstance(value, tuple) else (value,)))
    memo: dict = {
        id(one): one.detach() for one in tensors if isinstance(one, Tensor) and not one.is_leaf
    }
    return copy.deepcopy(module, memo)


def held_modules(fn: Callable) -> list[nn.Module]:
    """Every module that a callable holds or refers to, at any depth."""
    return [part for part in held([fn]) if isinstance(part, nn.Module)]


@contextmanager
def lent(*callables: Callable) -> Iterator[None]:
    """Puts the mode and the gradients of every module of the callables back afterwards.

    A module that cannot be copied is trained itself; after that only its parameters and buffers
    may have changed.
    """
    parts = {id(p): p for fn in callables for m in held_modules(fn) for p in m.modules()}
    modes = [(part, part.training) for part in parts.values()]
    own = [parameter for part in parts.values() for parameter in part._parameters.values()]
    gradients = [(parameter, parameter.grad) for parameter in own if parameter is not None]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, gradient in gradients:
            parameter.grad = gradient


def held(values: list) -> Iterator[object]:
    """Everything that the values hold or refer to, at any depth, each once; no tensors."""
    seen, waiting = set[int](), list(values)
    alive = []  # an object that is freed would leave its id to another one
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (type, ModuleType, Tensor, str)):
            continue
        seen.add(id(value))
        alive.append(value)
        yield value
        waiting += parts_of(value)


def parts_of(value: object) -> list:
    """The objects that a value refers to directly."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if inspect.isfunction(value):
        return _referred_to(value)
    return list(getattr(value, "__dict__", {}).values())


def _referred_to(function: FunctionType) -> list:
    """The values of a function's closure, defaults and, outside of libraries, globals."""
    try:
        names = inspect.getclosurevars(function)
    except ValueError:  # a variable that has no value yet
        return []
    in_library = str(function.__module__).split(".")[0] in LIBRARIES
    found = {} if in_library else names.globals
    preset = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return [*names.nonlocals.values(), *found.values(), *preset]
