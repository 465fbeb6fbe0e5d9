"""Where tensors are, and arguments of a model moved there."""

from typing import Any

import torch
from torch import Tensor

from zoo.torch_private import tree_map


def to_device(arg: Any, device: str | torch.device) -> Any:
    """Moves an argument there, and the tensors in a list, tuple or dict."""
    return tree_map(lambda one: one.to(device) if isinstance(one, Tensor) else one, arg)


def device_of(args: tuple) -> torch.device | None:
    """Device of the first tensor among the arguments; None if there is none."""
    return next((arg.device for arg in args if isinstance(arg, Tensor)), None)
