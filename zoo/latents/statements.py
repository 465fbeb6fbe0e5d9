"""Statements that ask for a parameter by name alone, ``pyro.param("scale")``.

Under Pyro's SVI the guide runs first, and may have made what the model then asks for.
"""

from collections.abc import Callable

import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor

from zoo.handlers.discovery import SetUp, registering
from zoo.isolation import isolated


class Unmade(ValueError):
    """A parameter that is asked for by name alone, and that nobody has made."""


class Given(Messenger):
    """Answers statements that ask for a parameter by name alone.

    Args:
        values: name -> constrained value.
    """

    def __init__(self, values: dict[str, Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_param(self, msg: Message) -> None:
        name = str(msg["name"])
        made = name in pyro.get_param_store() or registering() is not None
        if len(msg["args"]) > 1 or msg["value"] is not None or made:
            return
        if name not in self.values:
            raise Unmade(
                f"The model asks for the parameter '{name}' by name alone, and it has not been "
                f"made. Give it a value there, pyro.param('{name}', value), or in a guide of your "
                "own, a function."
            )
        msg["value"] = self.values[name]


def statements_of(guide: Callable, args: tuple, kwargs: dict) -> dict[str, Tensor]:
    """Name -> constrained initial value of every param statement that a run of the guide meets."""
    with isolated(seed=0), SetUp(), torch.no_grad(), poutine.block():
        trace = poutine.trace(guide).get_trace(*args, **kwargs)
    found = {name: node for name, node in trace.nodes.items() if node["type"] == "param"}
    return {name: node["value"].detach() for name, node in found.items()}  # type: ignore[union-attr]


def run_with(
    values: dict[str, Tensor], model: Callable, *args: object, **kwargs: object
) -> object:
    """Runs a model whose bare statements get the values."""
    with Given(values):
        return model(*args, **kwargs)
