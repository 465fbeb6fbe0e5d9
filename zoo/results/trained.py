"""A model or a guide that carries the trained values of its ``pyro.param`` statements."""

import weakref
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message

from zoo.handlers.parameters import StoreParameters
from zoo.latents import Family

SHOWN = ("__name__", "__qualname__", "__self__", "__wrapped__")  # special names that pass through


def trained(fn: Callable, store: StoreParameters, own: Collection[str]) -> Callable:
    """The callable, whose ``pyro.param`` statements take their values from `store`.

    Args:
        fn: a model or a guide.
        store: the trained values.
        own: names of the statements of `fn`; without any, `fn` itself is returned.
    """
    if not own or isinstance(fn, Family):
        return fn
    return Trained(_run, Values(store), fn)


class Trained(partial):
    """A callable that runs with its trained values; its attributes are those of the callable."""

    def __getattr__(self, name: str) -> Any:
        special = name.startswith("__") and name not in SHOWN
        if special or len(self.args) < 2:
            raise AttributeError(name)
        return self.args[1] if name == "__wrapped__" else getattr(self.args[1], name)


class Values(Messenger):
    """Gives ``pyro.param`` statements their values from a store in the place of Pyro's global one.

    Handlers outside of it see an ordinary statement. They may lift it to a random variable, or
    train it: another fit then starts from these values.
    """

    def __init__(self, store: StoreParameters) -> None:
        super().__init__()
        self.store = store

    def _pyro_param(self, msg: Message) -> None:
        name = str(msg["name"])
        if name in self.store.names and msg["value"] is None:
            msg["args"] = (name, self._value(msg).detach())
            msg["fn"] = lambda *_, **__: self._value(msg)

    def _value(self, msg: Message) -> Any:
        asked: Any = {"name": msg["name"], "kwargs": msg["kwargs"]}
        self.store._pyro_param(asked)
        value = asked["value"].view_as(asked["value"])
        place = self.store.names.index(msg["name"])  # type: ignore[arg-type]
        value.unconstrained = weakref.ref(self.store.values[place])  # Pyro's SVI asks for it
        return value


def _run(values: Values, fn: Callable, /, *args: object, **kwargs: object) -> object:
    with values:
        return fn(*args, **kwargs)
