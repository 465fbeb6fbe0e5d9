"""Optimises a guide with parameters for each row until its bound stops improving."""

from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.metrics.means import mean_error
from zoo.program import Program

CLEAR_IMPROVEMENT = 2.0  # standard errors of a block's mean bound


@dataclass(frozen=True)
class Search:
    """How a local guide is optimised.

    Attributes:
        lr: initial learning rate of Adam.
        factor: the learning rate is multiplied by it after each block of steps without a clear
            improvement of the best bound.
        stalls: number of such blocks that are allowed; the next one ends the search.
        block: number of steps in a block.
        limit: largest number of steps in all.
    """

    lr: float = 0.03
    factor: float = 0.2
    stalls: int = 3
    block: int = 100
    limit: int = 6000

    def __post_init__(self) -> None:
        keep_number(self, "lr", above=0.0)
        keep_number(self, "factor", above=0.0, most=1.0, way="Pass e.g. factor=0.2.")
        keep_whole(self, "stalls", least=0)
        keep_whole(self, "block", "limit", least=2)


def optimise(program: Program, args: tuple, search: Search) -> tuple[int, bool]:
    """Trains the guide and not the model; returns the steps taken and whether it converged.

    The parameters are set to their mean over the last block. Adam scales the step of each
    parameter by itself, so the rows' searches do not affect each other.

    Args:
        program: model and guide; the guide's parameters are trained.
        args: arguments of the model, all rows.
        search: learning rate and limits.

    Returns:
        Steps taken, and whether the bound had stopped improving.
    """
    assert isinstance(program.guide, nn.Module)
    moving = [p for p in program.guide.parameters() if p.requires_grad]
    adam = torch.optim.Adam(moving, search.lr)
    best, stalls = -torch.inf, 0
    for block in count(1):
        means = [torch.zeros_like(p) for p in moving]
        bounds = torch.stack(
            [_step(program, args, moving, adam, means) for _ in range(search.block)]
        )
        stalls += bool(bounds.mean() < best + CLEAR_IMPROVEMENT * mean_error(bounds))
        if stalls > search.stalls or block * search.block >= search.limit:
            break
        adam.param_groups[0]["lr"] = search.lr * search.factor**stalls
        best = max(best, float(bounds.mean()))
    with torch.no_grad():
        for parameter, total in zip(moving, means, strict=True):
            parameter.copy_(total / search.block)
    return block * search.block, stalls > search.stalls


def _step(
    program: Program, args: tuple, moving: list, adam: torch.optim.Adam, totals: list[Tensor]
) -> Tensor:
    """One step; adds the new parameters to `totals`. Returns the bound in nats, shape ()."""
    loss = program(torch.zeros(()), None, *args)
    grads = torch.autograd.grad(loss, moving)
    for parameter, grad, total in zip(moving, grads, totals, strict=True):
        parameter.grad = grad
        total.add_(parameter.detach())
    adam.step()
    return -loss.detach()
