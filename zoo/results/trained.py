"""A model or a guide that carries the trained values of its ``pyro.param`` statements."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from pyro.infer.autoguide import AutoGuide
from pyro.infer.autoguide.effect import AutoMessenger
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import _PYRO_STACK, Message

from zoo.handlers.parameters import StoreParameters
from zoo.latents import Family


def trained(fn: Callable, store: StoreParameters) -> Callable:
    """The callable, made to find its trained values in `store` and not in Pyro's global store.

    What keeps all its parameters in modules comes back as it is.
    """
    if not store.names or isinstance(fn, Family | AutoGuide | AutoMessenger):
        return fn
    return Trained(_run, Values(store), fn)


class Trained(partial):
    """A callable under its trained values; attributes are those of the callable."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or len(self.args) < 2:
            raise AttributeError(name)
        return getattr(self.args[1], name)


class Values(Messenger):
    """Answers ``pyro.param`` statements from a store.

    Where another fit trains the callable, these are the values that it starts from.
    """

    def __init__(self, store: StoreParameters) -> None:
        super().__init__()
        self.store = store

    def _pyro_param(self, msg: Message) -> None:
        name = msg["name"]
        if name not in self.store.names:
            return
        self.store._pyro_param(msg)
        value: Any = msg["value"]
        if any(isinstance(handler, StoreParameters) for handler in _PYRO_STACK):
            msg["args"], msg["value"] = (name, value.detach()), None
        else:  # Pyro's SVI asks a value for its parameter
            unconstrained = self.store.values[self.store.names.index(name)]
            value.unconstrained = weakref.ref(unconstrained)


def _run(values: Values, fn: Callable, /, *args: object, **kwargs: object) -> object:
    with values:
        return fn(*args, **kwargs)
