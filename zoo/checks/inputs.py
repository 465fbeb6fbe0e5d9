"""Checks of a model and its arguments before anything runs.

What the user's own code raises when it runs is not changed here.
"""

import inspect
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from zoo.checks.arguments import refusal

PRECISIONS = (torch.float32, torch.float64)


def check_model(model: object) -> Callable[..., object]:
    """The model, something to call that is no class.

    Raises:
        ValueError: for anything else.
    """
    wanted = "a task or a Pyro model, a function or a module"
    if isinstance(model, str):
        raise refusal("model", wanted, model, f"Pass zoo.load({model[:40]!r}).")
    if isinstance(model, type):
        raise refusal("model", wanted, model, f"Pass an instance: {model.__name__}(...).")
    if not callable(model):
        raise refusal("model", wanted, model, "Pass zoo.load('ppca'), or a model of your own.")
    return model


def check_call(model: object, args: tuple, kwargs: Mapping[str, object]) -> None:
    """Refuses arguments that do not fit the signature of a function or a module.

    Raises:
        ValueError: with the signature.
    """
    called = model.forward if isinstance(model, nn.Module) else model
    try:
        signature = inspect.signature(called)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # some built-in functions have no signature
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ValueError(
            f"Expected the arguments {signature} of the model; got {len(args)} and the keywords "
            f"{list(kwargs)}: {error}. Pass them after the guide, or as model_kwargs."
        ) from error


def check_data(args: tuple, kwargs: Mapping[str, object] | None = None) -> None:
    """Refuses arrays and tensors that cannot be trained on; other arguments are not checked.

    Raises:
        ValueError: for an array of numpy, and for a tensor that has no rows, is not dense, has no
            values, has a gradient, or holds complex numbers or floats of another precision than
            float32 and float64.
    """
    for i, value in enumerate(args):
        _check_value(f"argument {i}", value)
    for name, value in (kwargs or {}).items():
        _check_value(f"keyword argument '{name}'", value)


def check_kwargs(kwargs: object) -> dict[str, object]:
    """Keyword arguments of a model as a dict; an empty one for None.

    Raises:
        ValueError: for anything but a dict from names to values.
    """
    if kwargs is None:
        return {}
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        way = "Pass model_kwargs={'name': value}."
        raise refusal("model_kwargs", "a dict from names to values", kwargs, way)
    return dict(kwargs)


def _check_value(name: str, value: object) -> None:
    if isinstance(value, np.ndarray):
        raise refusal(name, "a tensor", value, "Pass torch.as_tensor(it).")
    if isinstance(value, Tensor):
        _check_tensor(name, value)


def _check_tensor(name: str, value: Tensor) -> None:
    if value.is_nested or value.is_quantized or value.layout != torch.strided:
        raise refusal(name, "a dense tensor", value, "Pass it as one: to_dense().")
    if value.is_meta:
        raise refusal(name, "a tensor with values", value, "It is on the device 'meta'.")
    if value.is_complex():
        raise refusal(name, "real", value, "Pass torch.view_as_real of it.")
    if value.is_floating_point() and value.dtype not in PRECISIONS:
        raise refusal(name, "in single or double precision", value, "Pass it as float().")
    if value.requires_grad:
        raise refusal(name, "without a gradient", value, "Pass detach() of it.")
    if value.dim() and not len(value):
        raise refusal(name, "at least one row long", value, "Leave it out if it is not needed.")
