"""The optimizers, by name: torch's own, one over all parameters."""

from collections.abc import Iterable

import torch
from pyro.optim.clipped_adam import ClippedAdam
from torch import nn
from torch.optim import Optimizer

from zoo.checks.arguments import look_up

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "clipped_adam": ClippedAdam,
}


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0
) -> Optimizer:
    """One torch optimizer over all parameters.

    Raises:
        ValueError: for a name that is not in the table, with a near one or all of them.
    """
    optimizer = look_up("optimizer", name, OPTIMIZERS)
    return optimizer(list(parameters), lr=lr, weight_decay=weight_decay)  # type: ignore[call-arg]
