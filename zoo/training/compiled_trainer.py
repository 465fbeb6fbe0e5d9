"""The compiled training loop, with the interface of the plain one."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.compile.capture import capture
from zoo.compile.captured import Captured
from zoo.compile.flat_parameters import FlatParameters
from zoo.compile.loop_tensors import Inputs, State
from zoo.compile.moves import rule_of
from zoo.compile.noise import noise_of_steps, steps_at_once
from zoo.compile.step_loop import (
    BLOCK,
    MOST_LOSSES,
    Block,
    Step,
    compile_block,
    is_small,
    plain_operations,
    quiet,
    step_with_update,
)
from zoo.data.batches import Shuffle
from zoo.optim.turns import ALWAYS
from zoo.optim.update import Update
from zoo.torch_private import tree_map
from zoo.training.parallel.ranks import ALONE
from zoo.training.trainer import Trainer


class CompiledTrainer:
    """Takes the steps of a plain trainer, and of its replicas, in compiled blocks.

    Its snapshots are the plain trainer's, so that a fit may be saved by one and resumed by the
    other. Noise comes from torch's random state, in another order than the plain step draws it.

    Args:
        trainers: one plain trainer, or several of the same program, which run side by side.

    Raises:
        CaptureError: if the step cannot be captured, or its capture is not the plain step.
    """

    has_gradient = True  # what has none cannot be captured

    def __init__(self, *trainers: Trainer) -> None:
        first = trainers[0]
        self.trainers = trainers
        self.program, self.rows, self.update = first.program, first.rows, first.update
        self.parameters, self.device = first.parameters, first.device
        self.ranks = ALONE
        self.replicas = len(trainers) if len(trainers) > 1 else None
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # a failure must not move the noise
            self.captured = capture(first.program, first.rows, first.parameters)
            self.small = is_small(self.captured)
            self.parts = [_parameters(trainer, self.captured.layout) for trainer in trainers]
            most = min(BLOCK, max(1, MOST_LOSSES // len(trainers)))
            self.largest_block = steps_at_once(self.captured.noise, most, self.replicas)
            self.state = self._read()
            self.block = self._block()
            with quiet():
                self._run(0)  # compiles the block by taking no step

    def _block(self) -> Block:
        update, inputs = self.update, self._inputs(0)
        make = partial(_step, self.captured, update, self.replicas, self.state, inputs)
        return compile_block(make, self.captured, update, inputs.lr)

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return self.trainers[0].step

    def advance(self, count: int) -> Tensor:
        """Takes `count` steps; returns losses in nats, shape (count,), or (replicas, count)."""
        parts = []
        while count:
            now = min(count, self.largest_block)
            losses, self.state = self._run(now)
            parts.append(losses[..., :now])
            for trainer in self.trainers:
                trainer.step += now
            count -= now
        self._write()
        return torch.cat(parts, dim=-1)

    def rows_of(self, count: int) -> Tensor | None:
        """The rows of the next steps of a single fit, as the plain trainer gives them."""
        return self.trainers[0].rows_of(count)

    def go_on_at(self, lr: float) -> None:
        """Takes further steps at another learning rate, from the parameters as they are now."""
        for trainer in self.trainers:
            trainer.go_on_at(lr)
        self.state = self._read()

    def vector(self) -> Tensor:
        """The parameters of a single fit side by side, as the plain trainer gives them."""
        return self.trainers[0].vector()

    def snapshot(self) -> dict:
        """Everything that the next step of a single fit depends on."""
        return self.snapshots()[0]

    def snapshots(self) -> list[dict]:
        """The snapshot of each replica."""
        return [trainer.snapshot() for trainer in self.trainers]

    def restore(self, snapshot: dict) -> None:
        """Goes back to a snapshot of a single fit."""
        self.trainers[0].restore(snapshot)
        self.state = self._read()

    @torch.no_grad()
    def _run(self, count: int) -> tuple[Tensor, State]:
        lead = () if self.replicas is None else (self.replicas,)
        dtype = self.state.parts[0].dtype
        losses = torch.zeros((*lead, self.largest_block), dtype=dtype, device=self.device)
        return self.block(torch.tensor(count), self.state, losses, self._inputs(count))

    def _inputs(self, count: int) -> Inputs:
        """What the next block of that many steps is given."""
        dtype = self.state.parts[0].dtype
        lr = torch.tensor([t.update.lr for t in self.trainers], dtype=dtype)
        return Inputs(
            start=torch.full((), float(self.step), device=self.device),
            lr=(lr[0] if self.replicas is None else lr).to(self.device),
            order=self._order(count).to(self.device),
            noise=noise_of_steps(self.captured.noise, count, self.largest_block, self.replicas),
            args=tuple(self.rows.args),
        )

    def _order(self, count: int) -> Tensor:
        """Rows of the next steps, filled up to a whole block."""
        size, lead = self.largest_block, () if self.replicas is None else (self.replicas,)
        shuffles = [t.rows.order for t in self.trainers if t.rows.order is not None]
        if not shuffles:
            return torch.zeros((size, *lead, 0), dtype=torch.int64)
        orders = [_rows(shuffle, self.step, count, size) for shuffle in shuffles]
        return orders[0] if self.replicas is None else torch.stack(orders, dim=1)

    def _read(self) -> State:
        states = [self._read_one(trainer) for trainer in self.trainers]
        return states[0] if self.replicas is None else tree_map(_stack, *states)

    def _read_one(self, trainer: Trainer) -> State:
        layout, names = self.captured.layout, rule_of(self.update).moments
        flat, held = layout.read(trainer.program)
        moments = tuple(self._cut(_moment(trainer, layout, name)) for name in names)
        return State(self._cut(flat), moments, held)

    def _cut(self, flat: Tensor) -> tuple[Tensor, ...]:
        """A vector over all parameters as the compiled step takes it."""
        if self.small:
            return (flat,)
        return tuple(part.clone() for part in self.captured.layout.split(flat).values())

    @torch.no_grad()
    def _write(self) -> None:
        """Copies the state into the programs and optimizers of the plain trainers."""
        values, *moments = (self._by_trainer(x) for x in (self.state.parts, *self.state.moments))
        held = self._each(self.state.held)
        for i, trainer in enumerate(self.trainers):
            own = [moment[i] for moment in moments]
            _set_moments(trainer, self.captured.layout, self.parts[i], own)
            for parameter, value in zip(self.parts[i], values[i], strict=True):
                parameter.copy_(value)
            self.captured.layout.write_held(trainer.program, held[i])

    def _by_trainer(self, parts: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """For each trainer the value of each parameter, from the parts of a state."""
        if self.small:
            parts = tuple(self.captured.layout.split(parts[0]).values())
        return self._each(parts)

    def _each(self, tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """For each trainer its share of the tensors of a state."""
        if self.replicas is None:
            return [tensors]
        shares = [tensor.unbind(0) for tensor in tensors]
        return [[share[i] for share in shares] for i in range(self.replicas)]


def _step(
    captured: Captured, update: Update, replicas: int | None, state: State, inputs: Inputs
) -> Step:
    step = step_with_update(captured, update, replicas)
    return step if replicas is None else plain_operations(step, state, update, inputs)


def _stack(*tensors: Tensor) -> Tensor:
    return torch.stack(tensors)


def _rows(order: Shuffle, start: int, count: int, size: int) -> Tensor:
    rows = torch.zeros(size, order.batch, dtype=torch.int64)
    if count:
        rows[:count] = order.block(start, count)
    return rows


def _parameters(trainer: Trainer, layout: FlatParameters) -> list[nn.Parameter]:
    """The parameters of a trainer in the order of the layout."""
    named = dict(trainer.program.named_parameters())
    return [named[name] for name in layout.names]


def _moment(trainer: Trainer, layout: FlatParameters, name: str) -> Tensor:
    """One running average of the optimizer as a vector; zeros before the first step."""
    states = trainer.optimizer.state
    parts = [
        states[p][name] if name in states.get(p, {}) else torch.zeros_like(p)
        for p in _parameters(trainer, layout)
    ]
    return torch.cat([part.detach().reshape(-1) for part in parts])


def _set_moments(
    trainer: Trainer,
    layout: FlatParameters,
    parameters: Sequence[nn.Parameter],
    moments: Sequence[Sequence[Tensor]],
) -> None:
    names = rule_of(trainer.update).moments
    if not names:
        return
    turns = layout.turns or (ALWAYS,) * len(parameters)
    for parameter, turn, *parts in zip(parameters, turns, *moments, strict=True):
        state = trainer.optimizer.state[parameter]
        state["step"] = torch.tensor(float(turn.updates(trainer.step)))
        state.update({name: part.clone() for name, part in zip(names, parts, strict=True)})
