"""The optimizers, by name: torch's own, one over all parameters."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from pyro.optim.clipped_adam import ClippedAdam
from torch import nn
from torch.optim import Optimizer

from zoo.checks.arguments import look_up
from zoo.optim.natural import IVON, NormalParameters
from zoo.optim.turns import ALWAYS, Turn


class CentredRMSprop(torch.optim.RMSprop):
    """RMSprop that divides by a running standard deviation, not by a root mean square.

    A gradient that stays the same has a deviation of 0, and so steps without bound.

    Source: Graves 2013, "Generating sequences with recurrent neural networks", section 4.2.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], lr: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, centered=True)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "rmsprop_centred": CentredRMSprop,
    "adagrad": torch.optim.Adagrad,
    "clipped_adam": ClippedAdam,
    "ivon": IVON,
}


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float = 0.0,
    turns: Sequence[Turn] = (),
    normals: Sequence[NormalParameters] = (),
) -> Optimizer:
    """One torch optimizer over all parameters, in groups where parts take turns.

    Args:
        name: of the optimizer.
        parameters: what moves.
        lr: learning rate.
        weight_decay: of all parameters.
        turns: of each parameter; () where all move at every step, at the same rate.
        normals: whose parameters these are, for natural gradients; the others ask for none.

    Raises:
        ValueError: for a name that is not in the table, with a near one or all of them.
    """
    optimizer = look_up("optimizer", name, OPTIMIZERS)
    parameters, groups = list(parameters), dict[Turn, list[nn.Parameter]]()
    for parameter, turn in zip(parameters, turns or [ALWAYS] * len(parameters), strict=True):
        groups.setdefault(turn, []).append(parameter)
    made = [
        {"params": own, "lr": lr * turn.rate, "rate": turn.rate} for turn, own in groups.items()
    ]
    if optimizer is IVON:
        return IVON(made, lr, normals)
    return optimizer(made, lr=lr, weight_decay=weight_decay)  # type: ignore[call-arg]
