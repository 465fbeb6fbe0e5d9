"""The tensors of a loop of steps: those that it carries, and those that stay the same."""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.optim.functional import Rates

Tensors = tuple[Tensor, ...]


class State(NamedTuple):
    """What changes from step to step; with replicas, theirs is the first dimension.

    Attributes:
        parts: the parameters: all in one vector if the step is small, else one tensor each.
        moments: the optimizer's running averages, each in as many tensors as the parameters.
        held: the program's other tensors.
    """

    parts: tuple[Tensor, ...]
    moments: tuple[tuple[Tensor, ...], ...]
    held: tuple[Tensor, ...]


class Inputs(NamedTuple):
    """What stays the same in a block of steps.

    Attributes:
        start: number of the first step, shape ().
        lr: learning rate, shape (), or (replicas,).
        order: row numbers of every step, shape (steps, batch), or (steps, replicas, batch).
        noise: of every step, see :func:`zoo.compile.noise.noise_of_steps`.
        args: the training arguments.
    """

    start: Tensor
    lr: Tensor
    order: Tensor
    noise: tuple[Tensor, ...]
    args: tuple


def pack(rates: Rates, lr: Tensor, state: State, *, packed: bool) -> Tensors:
    """Rates, learning rate and state as the tensors that a loop carries."""
    scalars = torch.stack([*rates, lr], dim=-1)
    vectors = [*state.parts, *(value for moment in state.moments for value in moment)]
    if packed:
        return torch.cat([scalars, *vectors], dim=-1), *state.held
    return scalars, *vectors, *state.held


def unpack(
    tensors: Tensors, like: State, rates: int, *, packed: bool
) -> tuple[Rates, Tensor, State]:
    """Rates, learning rate and state from the tensors that a loop carries; undoes :func:`pack`."""
    kinds, parts = 1 + len(like.moments), len(like.parts)
    if packed:
        sizes = [rates + 1] + [like.parts[0].shape[-1]] * kinds
        tensors = (*tensors[0].split(sizes, dim=-1), *tensors[1:])
    scalars, *left = tensors
    vectors = [tuple(left[i * parts : (i + 1) * parts]) for i in range(kinds)]
    held = tuple(left[kinds * parts :])
    state = State(vectors[0], tuple(vectors[1:]), held)
    return scalars.unbind(-1)[:rates], scalars[..., rates], state
