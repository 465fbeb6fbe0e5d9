"""Blocks of captured steps in one compiled call: noise, minibatch, gradient and update."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

from zoo.capture import Captured
from zoo.noise import draw_noise
from zoo.update import Update
from zoo.updates import RULES, clip_to_norm

BLOCK = 500
SMALL = 2**17  # numbers in a step's largest tensor below which a second thread only costs


class State(NamedTuple):
    """What one step hands to the next; with replicas, every tensor leads with them."""

    flat: Tensor
    moments: tuple[Tensor, ...]
    held: tuple[Tensor, ...]


class Inputs(NamedTuple):
    """What a block of steps is given besides its state.

    Attributes:
        start: number of the first step, shape ().
        lr: learning rate, shape (), or (replicas, 1).
        order: row numbers of every step, shape (BLOCK, batch), or (BLOCK, replicas, batch).
        args: the training arguments.
    """

    start: Tensor
    lr: Tensor
    order: Tensor
    args: tuple


CHATTY = ("torch.utils.cpp_extension", "torch._inductor")

Step = Callable[[State, Tensor, Tensor, Inputs], tuple[State, Tensor]]
Block = Callable[[Tensor, State, Tensor, Inputs], tuple[Tensor, State]]


def step_with_update(captured: Captured, update: Update, replicas: int | None) -> Step:
    """One captured step with its noise and its update, as a function of tensors."""
    rule = RULES[update.optimizer]

    def gradient_of(*inputs: object) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        loss, gradient, held = captured.graph(*inputs)
        if update.clip_norm is not None:
            gradient = clip_to_norm(gradient, update.clip_norm)
        return loss, gradient, held

    if replicas is not None:
        gradient_of = torch.vmap(gradient_of, in_dims=(0, 0, None, 0, 0, None))

    def take(state: State, step: Tensor, picked: Tensor, inputs: Inputs) -> tuple[State, Tensor]:
        noise = draw_noise(captured.noise, replicas)
        loss, gradient, held = gradient_of(
            state.flat, state.held, step, picked, noise, inputs.args
        )
        lr = inputs.lr
        if update.lr_schedule is not None:
            lr = lr * update.lr_schedule(step)
        decay = update.weight_decay
        flat, moments = rule.apply(state.flat, gradient, state.moments, step + 1, lr, decay)
        return State(flat, moments, held), loss

    return take


def block_of_steps(step: Step) -> Block:
    """Up to BLOCK steps in a loop of their own; what does not change is closed over."""

    def run(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple[Tensor, State]:
        def more(i: Tensor, *_: object) -> Tensor:
            return i < count

        def body(i: Tensor, losses: Tensor, *tensors: Tensor) -> tuple:
            picked = inputs.order.index_select(0, i.reshape(1))[0]
            after, loss = step(_unflatten(state, tensors), inputs.start + i, picked, inputs)
            now = torch.arange(BLOCK, device=i.device) == i
            return i + 1, torch.where(now, loss[..., None], losses), *_flatten(after)

        begin = torch.zeros((), dtype=torch.int64, device=count.device)
        _, losses, *end = while_loop(more, body, (begin, losses, *_flatten(state)))
        return losses, _unflatten(state, tuple(end))

    run.__code__ = run.__code__.replace()  # the compiler stops after 8 results of one code object
    return run


def compile_block(step: Step, captured: Captured) -> Block:
    """The block as machine code: a C++ loop, on one thread where the tensors are small.

    The compiler keeps its output on disk; a later process with the same shapes starts from it.
    """
    options: dict[str, Any] = {}
    if captured.noise and captured.noise[0].device.type == "cuda":
        return torch.compile(block_of_steps(step), fullgraph=True, dynamic=False)
    options["cpp_wrapper"] = True
    if not is_small(captured):
        return torch.compile(block_of_steps(step), fullgraph=True, dynamic=False, options=options)
    options["cpp.threads"] = 1
    options["force_pointwise_cat"] = True  # the gradient's pieces in one kernel
    block = torch.compile(block_of_steps(step), fullgraph=True, dynamic=False, options=options)
    return on_one_thread(block)


def on_one_thread(block: Block) -> Block:
    """The block with torch's own threads held back: for small tensors a second one only costs."""

    def run(count: Tensor, state: State, losses: Tensor, inputs: Inputs) -> tuple[Tensor, State]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return block(count, state, losses, inputs)
        finally:
            torch.set_num_threads(threads)

    return run


def is_small(captured: Captured) -> bool:
    """Is the largest tensor of a step too small for a second thread to pay?"""
    values = [node.meta.get("val") for node in captured.graph.graph.nodes]
    return max(value.numel() for value in values if isinstance(value, Tensor)) <= SMALL


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the compiler's remarks to itself; its errors still come through."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _flatten(state: State) -> tuple[Tensor, ...]:
    return state.flat, *state.moments, *state.held


def _unflatten(like: State, tensors: tuple[Tensor, ...]) -> State:
    flat, *rest = tensors
    cut = len(like.moments)
    return State(flat, tuple(rest[:cut]), tuple(rest[cut:]))
