"""A model, a guide and an objective at fixed parameters, to draw and time gradients."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from zoo.data import keep
from zoo.data.batches import Batches
from zoo.device import device_of
from zoo.gradients.sampler import CHUNK, Sampler, sampler
from zoo.objectives import Objective
from zoo.program import Program, build
from zoo.task import Task

STATE = "state."  # prefix of the objective's own parameters
GUIDE = "guide."  # prefix of the guide's parameters
TIMED_RUNS = 5
SHORTEST_RUN = 0.05  # seconds
TUNING_RATE = 1e-2
SAMPLER_COPIES = 16  # values that one evaluation for one row takes, as a rough estimate

Parameters = dict[str, Tensor]


class OtherParameters(ValueError):
    """The parameters of a pair differ from those at which estimators are compared."""


@dataclass(frozen=True)
class FixedProgram:
    """A program at fixed parameters on fixed rows.

    Attributes:
        program: model, guide and objective.
        rows: the data, which are the same in each gradient.
    """

    program: Program
    rows: Batches

    @property
    def names(self) -> list[str]:
        """Names of the parameters of model and guide, whose gradient is measured."""
        idle = {id(parameter) for parameter in self.program.unnamed}
        named = [(name, p) for name, p in self.program.named_parameters() if id(p) not in idle]
        return [name for name, p in named if p.requires_grad and not name.startswith(STATE)]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those parameters."""
        named = dict(self.program.named_parameters())
        return [named[name] for name in self.names]

    @cached_property
    def owners(self) -> list[str]:
        """Name of the parameter that each coordinate of a gradient belongs to."""
        pairs = zip(self.names, self.parameters, strict=True)
        return [name for name, p in pairs for _ in range(p.numel())]

    @property
    def groups(self) -> dict[str, Tensor]:
        """Columns of the guide's parameters (encoder), of the others (decoder), and of both."""
        guide = torch.tensor([name.startswith(GUIDE) for name in self.owners], dtype=torch.bool)
        device = self.parameters[0].device
        every = torch.arange(len(guide))
        parts = {"encoder": every[guide], "decoder": every[~guide], "total": every}
        return {name: columns.to(device) for name, columns in parts.items()}

    @cached_property
    def sampler(self) -> Sampler:
        """Draws gradients; see :func:`zoo.gradients.sampler.sampler`."""
        objective, latents = self.program.objective, self.program.latents
        rows = latents.rows_given(self.rows.args) or 1
        work = min(CHUNK, SAMPLER_COPIES * rows * objective.evaluations(latents))
        return sampler(self.program, self.rows, self.parameters, work=work)[0]

    def tune(self, steps: int) -> int:
        """Fits the objective's own parameters by Adam at 0.01, with model and guide fixed.

        Returns:
            The number of steps taken; 0 if there is nothing to tune.
        """
        state = self.program.state
        moving = list(state.parameters())
        if not moving and not list(state.buffers()):
            return 0
        optimizer = torch.optim.Adam(moving, lr=TUNING_RATE) if moving else None
        for _ in range(steps):
            self._step()
            if optimizer is not None:
                optimizer.step()
        return steps

    def seconds(self) -> float:
        """Seconds for one gradient by the plain step: the best of five runs of at least 50 ms."""
        self._step()
        start = time.perf_counter()
        self._step()
        count = max(1, round(SHORTEST_RUN / (time.perf_counter() - start)))
        return min(self._seconds_of(count) for _ in range(TIMED_RUNS))

    def _seconds_of(self, count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            self._step()
        if self.parameters[0].is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / count

    def _step(self) -> None:
        self.program.zero_grad(set_to_none=True)
        clock = torch.zeros((), device=self.parameters[0].device)
        self.program.backward(clock, None, *self.rows.args)


def build_fixed(
    task: Task, guide: Callable, objective: Objective, args: tuple, values: Parameters
) -> FixedProgram:
    """Model, guide and objective on fixed rows, with their parameters set to given values.

    Call it inside :func:`zoo.isolation.isolated` and :func:`zoo.isolation.in_double`.

    Args:
        task: builds the model.
        guide: the family.
        objective: the estimator.
        args: the rows, as the model takes them.
        values: parameters by name; empty for the initial ones of the pair.

    Raises:
        PairingError: if the three do not suit each other.
        OtherParameters: if a parameter of the pair has no value, or another shape.
    """
    args = tuple(arg.double() if is_real(arg) else arg for arg in args)
    program = build(task.build(), guide, objective, args, device=device_of(args) or "cpu")
    found = FixedProgram(program, Batches(args, keep, None))
    if values:
        _place(found, values)
    return found


@torch.no_grad()
def _place(found: FixedProgram, values: Parameters) -> None:
    for name, parameter in zip(found.names, found.parameters, strict=True):
        value = values.get(name)
        if value is None or value.shape != parameter.shape:
            shape = None if value is None else tuple(value.shape)
            raise OtherParameters(
                f"Expected parameter '{name}' of shape {tuple(parameter.shape)}; the pair to "
                f"compare at has {shape}. Give both guides the same encoder."
            )
        parameter.copy_(value)


def is_real(arg: object) -> bool:
    """Is the argument a tensor of floating-point numbers?"""
    return isinstance(arg, Tensor) and arg.is_floating_point()


def parameters_of(program: Program) -> Parameters:
    """The parameters of the model and the guide by name, copied."""
    named = program.named_parameters()
    return {name: p.detach().clone() for name, p in named if not name.startswith(STATE)}
