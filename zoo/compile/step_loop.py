"""Blocks of captured steps as one compiled loop: noise, minibatch, gradient and update."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from zoo.compile.captured import Captured
from zoo.compile.code_cache import CacheWarning, Packaged
from zoo.compile.cuda_block import CudaGraphs, recorded_block
from zoo.compile.loop_key import loop_key
from zoo.compile.loop_tensors import Inputs, State, Tensors, pack, unpack
from zoo.compile.memory_pool import can_pool, pooled
from zoo.compile.moves import move_of, rule_of
from zoo.compile.noise import noise_of_step
from zoo.compile.scans.loop import with_loops
from zoo.compile.scans.operation import calls
from zoo.compile.small_products import with_small_products_expanded
from zoo.optim.functional import Rates, clip_to_norm
from zoo.optim.turns import ALWAYS, Turn
from zoo.optim.update import Update
from zoo.torch_private import LOGGERS, make_fx, tree_map, while_loop

BLOCK = 500
MOST_LOSSES = 2**14  # of a block, of all replicas: each step copies them
SMALL = 2**17  # numbers in a step's largest tensor up to which one thread is the fastest
TINY = 2**8  # parameters up to which a loop is fastest with all of them in one tensor
TINY_TOGETHER = 2**9  # the same of all replicas
CONVOLUTION = torch.ops.aten.convolution.default
PICK = torch.ops.aten.index.Tensor

Step = Callable[[State, Rates, Tensor, Tensor, Tensors, Inputs], tuple[State, Tensor]]
Block = Callable[[Tensor, State, Tensor, Inputs], tuple[Tensor, State]]


def step_with_update(captured: Captured, update: Update, replicas: int | None) -> Step:
    """One captured step that updates the parameters.

    Args:
        captured: the step.
        update: how parameters move.
        replicas: number of fits that are trained together; None for a single one.
    """
    small = is_small(captured)
    pieces = with_small_products_expanded(captured.pieces)
    captured = replace(captured, pieces=pieces if replicas else with_loops(pieces))

    turns = captured.layout.turns or (ALWAYS,) * (1 if small else len(captured.layout.names))
    move = move_of(update, captured.layout, turns)

    def gradient_of(
        parts: Tensors, held: Tensors, step: Tensor, *inputs: Any
    ) -> tuple[Tensor, Tensors, Tensors]:
        if small:
            loss, gradient, held = captured.graph(parts[0], held, step, *inputs)
            gradients: Tensors = (gradient,)
        else:
            loss, gradients, held = captured.pieces(parts, held, step, *inputs)
        if update.clip_norm is not None:
            gradients = clip_to_norm(_due(gradients, turns, step), update.clip_norm)
        return loss, gradients, held

    if replicas is not None:
        gradient_of = torch.vmap(gradient_of, in_dims=(0, 0, None, 0, 0, None))

    def take(
        state: State, rates: Rates, step: Tensor, picked: Tensor, drawn: Tensors, inputs: Inputs
    ) -> tuple[State, Tensor]:
        noise = noise_of_step(captured.noise, drawn)
        loss, gradients, held = gradient_of(
            state.parts, state.held, step, picked, noise, inputs.args
        )
        parts, moments = move(state.parts, gradients, state.moments, rates, step)
        return State(parts, moments, held), loss

    return take


def _due(gradients: Tensors, turns: Sequence[Turn], step: Tensor) -> Tensors:
    """The gradients, 0 for the parts that do not move at this step."""
    return tuple(
        g if turn.every == 1 else torch.where(turn.due(step), g, 0)
        for g, turn in zip(gradients, turns, strict=True)
    )


def plain_operations(step: Step, state: State, update: Update, inputs: Inputs) -> Step:
    """The step of replicas, traced into operations without vmap, so that a loop can be exported.

    Args:
        step: one step.
        state: an example of the state.
        update: how parameters move.
        inputs: an example of the inputs.
    """
    rates = tree_map(torch.clone, rates_of(update, inputs.start, inputs.lr))
    number = inputs.start.clone()  # one tensor in two places would be traced as a single input
    with torch.no_grad():
        drawn = tuple(part[0] for part in inputs.noise)
        graph = make_fx(step)(state, rates, number, inputs.order[0], drawn, inputs)
        return with_loops(graph)


def rates_of(update: Update, step: Tensor, lr: Tensor) -> Rates:
    """The rates of the update rule at a step, from the learning rate or that of each replica."""
    if update.lr_schedule is not None:
        lr = lr * update.lr_schedule(step)
    return rule_of(update).rates(step + 1, lr)


def block_of_steps(step: Step, update: Update, *, packed: bool) -> Block:
    """A function that takes steps in one loop, up to as many as its inputs have rows for.

    Tensors that do not change in the loop are closed over, since a loop copies what it carries.
    The rates of the next step are computed once in each step and carried, since otherwise they
    would be computed again for each element of the parameters.

    Args:
        step: one step.
        update: how parameters move.
        packed: carry one vector in the place of many tensors? Of few parameters, each tensor takes
            more time than the numbers in it.
    """

    def run(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple[Tensor, State]:
        first = rates_of(update, inputs.start, inputs.lr)

        def more(clock: Tensor, *_: object) -> Tensor:
            return clock[0] < clock[1]

        def body(clock: Tensor, losses: Tensor, *tensors: Tensor) -> tuple:
            rates, lr, before = unpack(tensors, state, len(first), packed=packed)
            row = clock[0].reshape(1)
            picked = inputs.order.index_select(0, row)[0]
            drawn = tuple(part.index_select(0, row)[0] for part in inputs.noise)
            number = (clock[2] + clock[0]).to(lr.dtype)
            after, loss = step(before, rates, number, picked, drawn, inputs)
            now = torch.arange(losses.shape[-1], device=clock.device) == clock[0]
            losses = torch.where(now, loss[..., None], losses)
            next_rates = rates_of(update, number + 1, lr)
            ticked = clock + (torch.arange(3, device=clock.device) == 0)
            return ticked, losses, *pack(next_rates, lr, after, packed=packed)

        clock = torch.stack([torch.zeros_like(count), count, inputs.start.to(count.dtype)])
        begin = (clock, losses, *pack(first, inputs.lr, state, packed=packed))
        _, losses, *end = while_loop(more, body, begin)
        _, _, after = unpack(tuple(end), state, len(first), packed=packed)
        return losses, tree_map(torch.clone, after) if packed else after

    run.__code__ = run.__code__.replace()  # the compiler gives up on a code object used 8 times
    return run


def compile_block(
    make_step: Callable[[], Step], captured: Captured, update: Update, lr: Tensor
) -> Block:
    """The block as machine code: a C++ loop, on one thread where the tensors are small.

    The compiled code is kept on disk, where a later process finds it for the same shapes. On CUDA
    it is a recorded block in the place of a loop (:mod:`zoo.compile.cuda_block`).

    Args:
        make_step: makes one step, which is needed only if the code is not there yet.
        captured: the captured step that it takes.
        update: how parameters move.
        lr: the learning rate, shape (), or those of all replicas.
    """
    tiny = is_tiny(captured, lr.numel())

    def make() -> Block:
        return block_of_steps(make_step(), update, packed=tiny)

    if lr.device.type == "cuda":
        return recorded_block(make_step(), partial(rates_of, update), CudaGraphs(lr.device))
    key = partial(loop_key, captured, update, partial(rates_of, update), lr)
    if not is_small(captured):
        return Packaged(make, key, _returned, {})
    options = {"cpp.threads": 1, "force_pointwise_cat": tiny}
    return on_one_thread(Packaged(make, key, _returned, options), pool=not convolves(captured))


def _returned(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple:
    """What a block returns, by its structure."""
    return losses, state


def on_one_thread(block: Callable[..., Any], *, pool: bool) -> Callable[..., Any]:
    """The block, run on one thread and, if asked, with the pool of small buffers."""

    def run(*args: Any) -> Any:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with pooled() if pool and can_pool() else nullcontext():
                return block(*args)
        finally:
            torch.set_num_threads(threads)

    return run


def is_small(captured: Captured) -> bool:
    """Is the largest tensor of a step so small that one thread is the fastest?

    Parts that take turns are kept apart, so that their step is not called small.
    """
    if captured.layout.turns:
        return False
    return max(value.numel() for value in _tensors_of(captured)) <= SMALL


def convolves(captured: Captured) -> bool:
    """Has the step convolutions? Their library frees buffers in a way that the pool cannot."""
    return calls(captured.pieces, CONVOLUTION)


def _tensors_of(captured: Captured) -> list[Tensor]:
    """Every tensor that a captured step computes with, without its values."""
    nodes = [node for node in captured.pieces.graph.nodes if not _is_picked_from(node)]
    values = [node.meta.get("val") for node in nodes]
    return [value for value in values if isinstance(value, Tensor)]


def _is_picked_from(node: Node) -> bool:
    """Is it an input that the step only picks rows from, as the data of minibatches?"""
    picks = [user.target is PICK and user.args[0] is node for user in node.users]
    return node.op == "placeholder" and all(picks)


def is_tiny(captured: Captured, replicas: int) -> bool:
    """Are there so few parameters that a loop is fastest with all of them in one vector?"""
    numbers = sum(shape.numel() for shape in captured.layout.shapes)
    return numbers <= TINY and numbers * replicas <= TINY_TOGETHER and is_small(captured)


@contextmanager
def quiet() -> Iterator[None]:
    """Hides the compiler's warnings and log messages; its errors are still raised."""
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
