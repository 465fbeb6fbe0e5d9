"""Arguments of a model on the device that it runs on."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map


def to_device(arg: Any, device: str | torch.device) -> Any:
    """Moves an argument there, and the tensors in a list, tuple or dict."""
    return tree_map(lambda one: one.to(device) if isinstance(one, Tensor) else one, arg)
