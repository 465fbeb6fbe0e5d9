"""Parameters that a program makes only after some steps: a statement in a branch not yet taken."""

from collections.abc import Iterator
from typing import Protocol

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import _PYRO_STACK, Message
from pyro.poutine.trace_messenger import TraceMessenger
from torch import nn
from torch.distributions import constraints

from zoo.handlers.discovery import registering
from zoo.handlers.parameters import StoreParameters


class Holder(Protocol):
    """What a program tells of its parameters."""

    @property
    def unnamed(self) -> list[nn.Parameter]:
        """Those of nets that Pyro is not told of."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of them."""
        ...


class LateParameters(Messenger):
    """Gives every statement that is met for the first time a parameter of its own.

    Enter it outside of the program's own handlers: what they know does not come here.

    Args:
        store: takes the new parameters.
        program: whose parameters are known already.
    """

    def __init__(self, store: StoreParameters, program: "Holder") -> None:
        super().__init__()
        self.store, self.program = store, program

    def _pyro_param(self, msg: Message) -> None:
        if msg["value"] is None and _is_new(msg, self.store, self.program):
            init = msg["args"][1]
            value = init() if callable(init) else init
            constraint = msg["kwargs"].get("constraint", constraints.real)
            self.store.add(str(msg["name"]), value, constraint)  # type: ignore[arg-type]
            self.store._pyro_param(msg)


class NoLateParameters(Messenger):
    """Refuses such a statement; `refusal` makes the error from the statement's name."""

    def __init__(
        self, store: StoreParameters, program: "Holder", refusal: type[Exception]
    ) -> None:
        super().__init__()
        self.store, self.program, self.refusal = store, program, refusal

    def __enter__(self) -> "NoLateParameters":
        if self.store.late:
            raise self._error(self.store.names[-1])
        return super().__enter__()

    def _pyro_param(self, msg: Message) -> None:
        if msg["value"] is None and _is_new(msg, self.store, self.program):
            raise self._error(str(msg["name"]))

    def _error(self, name: str) -> Exception:
        return self.refusal(
            f"The parameter '{name}' is made only in some steps, and a captured step is the same "
            "every time. Use the plain step, or make the parameter in every step."
        )


def _is_new(msg: Message, store: StoreParameters, program: "Holder") -> bool:
    """Is it a statement, not one of a module's own, that the program has no parameter for?

    Model and guide run under a trace; what Pyro's estimators keep in the store does not.

    Raises:
        ValueError: if it registers a module that the program does not hold.
    """
    name, given = str(msg["name"]), msg["args"][1:]
    traced = any(isinstance(handler, TraceMessenger) for handler in _PYRO_STACK)
    if name in store.registered or not traced:
        return False
    module = registering()
    own = [] if module is None else list(module.parameters())
    if module is None or (given and not any(given[0] is parameter for parameter in own)):
        return bool(given)
    unnamed = {id(parameter) for parameter in program.unnamed}
    held = {id(parameter) for parameter in program.parameters()} - unnamed
    if all(id(parameter) in held for parameter in own):
        return False
    raise ValueError(
        f"The module of '{name}' is registered for the first time after training has begun, and "
        "would not be trained. Call pyro.module for it in every step, before any branch."
    )
