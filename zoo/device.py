"""Which device is meant, where tensors are, and arguments of a model moved there."""

from typing import Any

import torch
from torch import Tensor

from zoo.checks.arguments import device_written, refusal
from zoo.torch_private import tree_map


def to_device(arg: Any, device: str | torch.device) -> Any:
    """Moves an argument there, and the tensors in a list, tuple or dict."""
    return tree_map(lambda one: one.to(device) if isinstance(one, Tensor) else one, arg)


def device_of(args: tuple) -> torch.device | None:
    """Device of the first tensor among the arguments; None if there is none."""
    return next((arg.device for arg in args if isinstance(arg, Tensor)), None)


def pick_device(device: object) -> str:
    """The device meant: "auto" is CUDA where there is one.

    Raises:
        ValueError: for an unknown device, or one that is not there.
    """
    name = device_written(str(device) if isinstance(device, torch.device) else device)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"Device '{name}' asked for; torch finds no CUDA. Use 'auto' or 'cpu'.")
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if index and int(index) >= there:
        way = f"There are {there}, counted from 0. Pass device='{kind}'."
        raise refusal("device", f"a {kind} device of this machine", device, way)
    return name
