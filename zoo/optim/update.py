"""How a fit's parameters move."""

from dataclasses import dataclass

from zoo.optim.schedules import Schedule


@dataclass(frozen=True)
class Update:
    """How parameters move: optimizer, learning rate and its schedule, clipping of the gradient."""

    optimizer: str = "adam"
    lr: float = 1e-2
    lr_schedule: Schedule | None = None
    weight_decay: float = 0.0
    clip_norm: float | None = None
