"""Captured steps and the plain step beside them, and a block of steps without a compiler."""

from contextlib import contextmanager

import torch
from cases import built

from zoo.compile.capture import capture
from zoo.compile.flat_parameters import all_tensors
from zoo.compile.noise import ExplicitNoise, draw_noise, replay
from zoo.compile.step_loop import BLOCK, rates_of
from zoo.compile.verify import TOLERANCE
from zoo.data import keep
from zoo.data.batches import Batches, Shuffle
from zoo.objectives import Trace

EXACT = TOLERANCE[torch.float64]


@contextmanager
def a_program(model, guide, args, objective=None, *, batch=None, **settings):
    """A program in isolation, its training rows, and the parameters that move."""
    size = len(args[0]) if args else None
    first = args if batch is None else tuple(arg[:batch] for arg in args)
    rows = None if batch is None else size
    objective = objective or Trace()
    with built(model, guide, objective, first, rows=rows, **settings) as program:
        order = None if batch is None else Shuffle(size, batch, 0)
        yield program, Batches(args, keep, order), moving(program)


@contextmanager
def a_capture(model, guide, args, objective=None, **settings):
    """A captured step, its program and its training rows."""
    with a_program(model, guide, args, objective, **settings) as (program, rows, parameters):
        yield capture(program, rows, parameters), program, rows


def moving(program):
    return [parameter for parameter in program.parameters() if parameter.requires_grad]


def run_captured(captured, program, rows, noise, *, step=5.0):
    """Loss, gradients and new buffers of the captured step, by name."""
    flat, held = captured.layout.read(program)
    inputs = (flat, held, torch.tensor(step), picked_at(rows, step), noise, rows.args)
    loss, gradient, after = captured.graph(*inputs)
    return named(loss, captured.layout, captured.layout.split(gradient), after)


def run_plain(captured, program, rows, noise, *, step=5.0):
    """The same of the plain step; changes the program's buffers as a step does."""
    program.zero_grad(set_to_none=True)
    picked = picked_at(rows, step) if rows.order is not None else None
    with ExplicitNoise(replay(noise)):
        loss = program.backward(torch.tensor(step), picked, *rows.take(picked))
    tensors = all_tensors(program)
    layout = captured.layout
    grads = {n: tensors[n].grad for n in layout.names}
    grads = {n: torch.zeros_like(tensors[n]) if g is None else g for n, g in grads.items()}
    return named(loss, layout, grads, [tensors[n].detach().clone() for n in layout.held])


def named(loss, layout, gradients, held):
    buffers = {f"buffer {name}": value for name, value in zip(layout.held, held, strict=True)}
    return {"loss": loss.detach(), **gradients, **buffers}


def picked_at(rows, step):
    if rows.order is None:
        return torch.zeros(0, dtype=torch.int64)
    return rows.order.block(int(step), 1)[0]


def equal_on_fresh_inputs(captured, program, rows, *, steps=(2.0, 9.0), move=0.1):
    """Moves the parameters, draws noise, and compares every tensor that a step yields."""
    for step in steps:
        with torch.no_grad():
            for parameter in program.parameters():
                parameter.add_(move * torch.randn_like(parameter))
        noise = draw_noise(captured.noise)
        found = run_captured(captured, program, rows, noise, step=step)
        equal(found, run_plain(captured, program, rows, noise, step=step))
    return True


def equal(found, expected, tolerance=EXACT):
    """Every tensor equal to its counterpart, relative to the largest number in it."""
    assert found.keys() == expected.keys()
    assert found
    for name, value in expected.items():
        error = (found[name] - value).abs().max() if value.numel() else 0.0
        scale = value.abs().max() if value.numel() else 0.0
        assert error <= tolerance * scale, f"{name}: {error} against {scale}"
    return True


def interpreted(make_step, captured, update, lr):
    """Stands in for `zoo.compile.step_loop.compile_block`: the same steps, uncompiled."""
    step = make_step()

    def run(count, state, losses, inputs):
        losses = losses.clone()
        assert losses.shape[-1] <= BLOCK
        for i in range(int(count)):
            rates = rates_of(update, inputs.start + i, inputs.lr)
            drawn = tuple(part[i] for part in inputs.noise)
            state, loss = step(state, rates, inputs.start + i, inputs.order[i], drawn, inputs)
            losses[..., i] = loss
        return losses, state

    return run
