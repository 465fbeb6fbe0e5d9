"""Which modules a run registers: those of its ``pyro.module`` statements and of its Pyro modules.

A model may hold a network in a list, in a plain object or in a helper's closure. Where it lies is
then hard to see from outside, but Pyro trains what the run registers, wherever that was found.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pyro
import torch
from pyro.nn import PyroModule
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

# where a module registers its parameters -> the variable there that holds the module
STATEMENTS = {pyro.module.__code__: "nn_module", PyroModule.__getattr__.__code__: "self"}


def registering() -> nn.Module | None:
    """The module whose parameter the statement that is being handled registers; None if none."""
    frame = sys._getframe(1)
    while frame is not None:
        name = STATEMENTS.get(frame.f_code)
        if name is not None:
            return frame.f_locals[name]
        frame = frame.f_back  # type: ignore[assignment]
    return None


class Discovery(Messenger):
    """Notes the modules and the names that param statements register."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: list[nn.Module] = []
        self.names: set[str] = set()

    def _pyro_param(self, msg: Message) -> None:
        module = registering()
        self.names.add(str(msg["name"]))
        if module is not None and not any(module is known for known in self.modules):
            self.modules.append(module)


class SetUp:
    """Inside, every module that is called is in eval mode and, if asked for, on a device.

    A run that only looks at a model draws no dropout and moves no running average.

    Args:
        device: where modules are moved to; None leaves them.
    """

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = device
        self.modes: list[nn.Module] = []

    def __enter__(self) -> "SetUp":
        self.hook = register_module_forward_pre_hook(self._called)
        return self

    def __exit__(self, *error: Any) -> None:
        self.hook.remove()
        for module in self.modes:
            module.training = True
        self.modes.clear()

    def _called(self, module: nn.Module, args: tuple) -> None:
        if self.device is not None:
            module.to(self.device)
        if module.training:
            module.training = False
            self.modes.append(module)


def outermost(modules: Iterable[nn.Module], held: Iterable[nn.Module | Callable]) -> list:
    """Each module once, without those that lie inside another one or inside one of `held`."""
    found = list({id(module): module for module in modules}.values())
    whole = [part for part in held if isinstance(part, nn.Module)]
    inner = {id(part) for module in found for part in list(module.modules())[1:]}
    inner |= {id(part) for module in whole for part in module.modules()}
    return [module for module in found if id(module) not in inner]


def reaching(fn: Callable, modules: list[nn.Module]) -> Callable:
    """`fn` as a callable whose reachable modules include `modules`; itself if there are none."""
    return partial(_run, fn, nn.ModuleList(modules)) if modules else fn


def _run(fn: Callable, modules: nn.Module, *args: object, **kwargs: object) -> object:
    return fn(*args, **kwargs)
