"""Blocks of captured steps in one compiled call: noise, minibatch, gradient and update."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.compile.capture import Captured
from zoo.compile.code_cache import CacheWarning, Packaged
from zoo.compile.memory_pool import can_pool, pooled
from zoo.compile.noise import draw_noise
from zoo.optim.functional import RULES, Rates, clip_to_norm
from zoo.optim.update import Update
from zoo.torch_private import LOGGERS, make_fx, tree_map, while_loop

BLOCK = 500
SMALL = 2**17  # numbers in a step's largest tensor below which a second thread only costs
TINY = 2**8  # parameters below which a tensor costs more than what is in it
CONVOLUTION = torch.ops.aten.convolution.default


class State(NamedTuple):
    """What one step hands to the next; with replicas, every tensor leads with them.

    Attributes:
        parts: the parameters: one vector, or, where that is long, one tensor each.
        moments: running averages, each in as many tensors as the parameters.
        held: the program's other tensors.
    """

    parts: tuple[Tensor, ...]
    moments: tuple[tuple[Tensor, ...], ...]
    held: tuple[Tensor, ...]


class Inputs(NamedTuple):
    """What a block of steps is given besides its state.

    Attributes:
        start: number of the first step, shape ().
        lr: learning rate, shape (), or (replicas,).
        order: row numbers of every step, shape (BLOCK, batch), or (BLOCK, replicas, batch).
        args: the training arguments.
    """

    start: Tensor
    lr: Tensor
    order: Tensor
    args: tuple


Tensors = tuple[Tensor, ...]

Step = Callable[[State, Rates, Tensor, Tensor, Inputs], tuple[State, Tensor]]
Block = Callable[[Tensor, State, Tensor, Inputs], tuple[Tensor, State]]


def step_with_update(captured: Captured, update: Update, replicas: int | None) -> Step:
    """One captured step with its noise and its update, as a function of tensors."""
    rule, small = RULES[update.optimizer], is_small(captured)

    def gradient_of(parts: Tensors, *inputs: Any) -> tuple[Tensor, Tensors, Tensors]:
        if small:
            loss, gradient, held = captured.graph(parts[0], *inputs)
            gradients: Tensors = (gradient,)
        else:
            loss, gradients, held = captured.pieces(parts, *inputs)
        if update.clip_norm is not None:
            gradients = clip_to_norm(gradients, update.clip_norm)
        return loss, gradients, held

    if replicas is not None:
        gradient_of = torch.vmap(gradient_of, in_dims=(0, 0, None, 0, 0, None))

    def take(
        state: State, rates: Rates, step: Tensor, picked: Tensor, inputs: Inputs
    ) -> tuple[State, Tensor]:
        noise = draw_noise(captured.noise, replicas)
        loss, gradients, held = gradient_of(
            state.parts, state.held, step, picked, noise, inputs.args
        )
        moved = [
            rule.apply(p, g, tuple(moments), _beside(rates, p), update.weight_decay)
            for p, g, *moments in zip(state.parts, gradients, *state.moments, strict=True)
        ]
        parts = tuple(part for part, _ in moved)
        return State(parts, tuple(zip(*(m for _, m in moved), strict=True)), held), loss

    return take


def plain_operations(step: Step, state: State, update: Update, inputs: Inputs) -> Step:
    """The step of replicas without vmap, which a loop that is exported cannot hold.

    Args:
        step: one step.
        state: an example of what it takes.
        update: how parameters move.
        inputs: an example.
    """
    rates = rates_of(update, inputs.start, inputs.lr)
    with torch.no_grad():
        return make_fx(step)(state, rates, inputs.start, inputs.order[0], inputs)


def _beside(rates: Rates, part: Tensor) -> Rates:
    """Rates, one of each replica where they lead, shaped to multiply a part."""
    return tuple(r.reshape(r.shape + (1,) * (part.dim() - 1)) if r.dim() else r for r in rates)


def rates_of(update: Update, step: Tensor, lr: Tensor) -> Rates:
    """What the update rule asks for at a step, given the learning rate (of each replica)."""
    if update.lr_schedule is not None:
        lr = lr * update.lr_schedule(step)
    return RULES[update.optimizer].rates(step + 1, lr)


def block_of_steps(step: Step, update: Update, *, packed: bool) -> Block:
    """Up to BLOCK steps in a loop of their own; what does not change is closed over.

    The rates of the next step are handed on, so that no element of the update computes them.

    Args:
        step: one step.
        update: how parameters move.
        packed: hand on one vector in the place of many tensors? On small ones each tensor costs
            more than what is in it.
    """

    def run(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple[Tensor, State]:
        first = rates_of(update, inputs.start, inputs.lr)

        def more(clock: Tensor, *_: object) -> Tensor:
            return clock[0] < clock[1]

        def body(clock: Tensor, losses: Tensor, *tensors: Tensor) -> tuple:
            rates, lr, before = unpack(tensors, state, len(first), packed=packed)
            picked = inputs.order.index_select(0, clock[0].reshape(1))[0]
            number = (clock[2] + clock[0]).to(lr.dtype)
            after, loss = step(before, rates, number, picked, inputs)
            now = torch.arange(BLOCK, device=clock.device) == clock[0]
            losses = torch.where(now, loss[..., None], losses)
            next_rates = rates_of(update, number + 1, lr)
            ticked = clock + (torch.arange(3, device=clock.device) == 0)
            return ticked, losses, *pack(next_rates, lr, after, packed=packed)

        clock = torch.stack([torch.zeros_like(count), count, inputs.start.to(count.dtype)])
        begin = (clock, losses, *pack(first, inputs.lr, state, packed=packed))
        _, losses, *end = while_loop(more, body, begin)
        _, _, after = unpack(tuple(end), state, len(first), packed=packed)
        return losses, tree_map(torch.clone, after) if packed else after

    run.__code__ = run.__code__.replace()  # the compiler stops after 8 results of one code object
    return run


def pack(rates: Rates, lr: Tensor, state: State, *, packed: bool) -> tuple[Tensor, ...]:
    """What one step hands to the next, as the tensors of a loop."""
    scalars = torch.stack([*rates, lr], dim=-1)
    vectors = [*state.parts, *(value for moment in state.moments for value in moment)]
    if packed:
        return torch.cat([scalars, *vectors], dim=-1), *state.held
    return scalars, *vectors, *state.held


def unpack(
    tensors: tuple[Tensor, ...], like: State, rates: int, *, packed: bool
) -> tuple[Rates, Tensor, State]:
    """Rates, learning rate and state out of the tensors of a loop."""
    kinds, parts = 1 + len(like.moments), len(like.parts)
    if packed:
        sizes = [rates + 1] + [like.parts[0].shape[-1]] * kinds
        tensors = (*tensors[0].split(sizes, dim=-1), *tensors[1:])
    scalars, *left = tensors
    vectors = [tuple(left[i * parts : (i + 1) * parts]) for i in range(kinds)]
    held = tuple(left[kinds * parts :])
    state = State(vectors[0], tuple(vectors[1:]), held)
    return scalars.unbind(-1)[:rates], scalars[..., rates], state


def compile_block(step: Step, captured: Captured, update: Update) -> Block:
    """The block as machine code: a C++ loop, on one thread where the tensors are small.

    The compiler keeps its output on disk; a later process with the same shapes starts from it.
    """
    block = block_of_steps(step, update, packed=is_tiny(captured))
    if any(value.device.type == "cuda" for value in _tensors_of(captured)):
        return torch.compile(block, fullgraph=True, dynamic=False)
    if not is_small(captured):
        return Packaged(block, {})
    options = {"cpp.threads": 1, "force_pointwise_cat": is_tiny(captured)}
    return on_one_thread(Packaged(block, options), pool=not convolves(captured))


def on_one_thread(block: Block, *, pool: bool) -> Block:
    """The block with torch's own threads held back: for small tensors a second one only costs."""

    def run(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple[Tensor, State]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with pooled() if pool and can_pool() else nullcontext():
                return block(count, state, losses, inputs)
        finally:
            torch.set_num_threads(threads)

    return run


def is_small(captured: Captured) -> bool:
    """Is the largest tensor of a step too small for a second thread to pay?"""
    return max(value.numel() for value in _tensors_of(captured)) <= SMALL


def convolves(captured: Captured) -> bool:
    """Has the step convolutions? Their library frees raw buffers, which the pool does not take."""
    return bool(captured.pieces.graph.find_nodes(op="call_function", target=CONVOLUTION))


def _tensors_of(captured: Captured) -> list[Tensor]:
    """Every tensor of a captured step, as metadata."""
    values = [node.meta.get("val") for node in captured.pieces.graph.nodes]
    return [value for value in values if isinstance(value, Tensor)]


def is_tiny(captured: Captured) -> bool:
    """Are there so few parameters that they and their averages are best kept in one vector?"""
    return sum(shape.numel() for shape in captured.layout.shapes) <= TINY and is_small(captured)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the compiler's remarks to itself; its errors still come through."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CacheWarning)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
