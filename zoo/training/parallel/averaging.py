"""The mean over ranks of what a step gives: loss, gradients, and whatever else it has moved.

A rank estimates the loss for the full data from its own rows. Weighted by the share of the rows
that it took, the mean over ranks is the estimate from all rows of the step. Running averages, such
as those of baselines and of batch normalisation, move by the mean of what the ranks moved them by;
batch normalisation itself takes the mean and variance of a rank's own rows.
"""

import pyro
import torch
from torch import Tensor, nn

from zoo.program import Program
from zoo.training.parallel.ranks import Ranks

AVERAGES = "__baseline_avg_downstream_cost_"  # as Pyro names them


def averages_of_pyro() -> dict[str, Tensor]:
    """The decaying-average baselines that Pyro's TraceGraph_ELBO keeps in the parameter store."""
    store = pyro.get_param_store()
    names = [name for name in store.keys() if name.startswith(AVERAGES)]  # noqa: SIM118
    return {name: store[name].detach().clone() for name in names}


def set_averages_of_pyro(averages: dict[str, Tensor]) -> None:
    """Puts back what :func:`averages_of_pyro` gave."""
    for name, value in averages.items():
        pyro.get_param_store()[name] = value


class Averaging:
    """Notes what a program holds before a step, and averages over ranks after it.

    Args:
        ranks: the ranks of the fit.
        program: what takes the step.
    """

    def __init__(self, ranks: Ranks, program: Program) -> None:
        self.ranks, self.program = ranks, program
        self.buffers = {n: b.detach().clone() for n, b in _buffers(program).items()}
        self.averages = averages_of_pyro()

    @torch.no_grad()
    def mean(self, loss: Tensor, parameters: list[nn.Parameter], weight: float) -> Tensor:
        """The loss of all ranks; gradients, buffers and averages become theirs too.

        Args:
            loss: of this rank, nats for the full data, shape ().
            parameters: those that are trained. One that has a gradient on some rank has one on
                all afterwards; of several numbers of parameters no mean can be taken.
            weight: this rank's share of the rows of the step.
        """
        given = torch.tensor([p.grad is not None for p in parameters], device=loss.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        buffers, averages = _buffers(self.program), averages_of_pyro()
        moved = [_moved(self.buffers.get(n, 0 * now), now) for n, now in buffers.items()]
        moved += [_moved(self.averages.get(n, 0 * now), now) for n, now in averages.items()]
        parts = [loss, given.to(loss.dtype), *gradients, *moved]
        vector = torch.cat([part.reshape(-1) for part in parts]).mul_(weight)
        self.ranks.add_up(vector)
        pieces = vector.split([part.numel() for part in parts])
        means = [m.reshape(p.shape).to(p.dtype) for m, p in zip(pieces, parts, strict=True)]
        for parameter, some, mean in zip(parameters, means[1], means[2:], strict=False):
            parameter.grad = mean if some > 0 else None
        moved = means[2 + len(parameters) :]
        for (name, now), move in zip(buffers.items(), moved, strict=False):
            now.copy_(self.buffers.get(name, 0 * now) + move)
        of_pyro = zip(averages.items(), moved[len(buffers) :], strict=True)
        set_averages_of_pyro({n: self.averages.get(n, 0 * now) + m for (n, now), m in of_pyro})
        return means[0]


def _buffers(program: Program) -> dict[str, Tensor]:
    """The buffers of real numbers; whole numbers count steps, and are the same on all ranks."""
    return {n: b for n, b in program.named_buffers() if b.is_floating_point()}


def _moved(before: Tensor, now: Tensor) -> Tensor:
    """How far a value has moved; one that stays, such as an infinite one, by 0."""
    return torch.where(now == before, 0.0, now - before)
