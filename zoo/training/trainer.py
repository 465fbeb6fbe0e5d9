"""The plain training loop: one Python step after another, in blocks that can be undone."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.checks.whereabouts import noted
from zoo.data.batches import Batches
from zoo.handlers.late import LateParameters
from zoo.handlers.parameters import named_tensors, restore
from zoo.optim.natural import NATURAL
from zoo.optim.optimizers import make_optimizer
from zoo.optim.update import Update
from zoo.program import Program
from zoo.training.parallel.averaging import (
    Averaging,
    averages_of_pyro,
    set_averages_of_pyro,
)
from zoo.training.parallel.ranks import ALONE, Ranks


class Trainer:
    """A program with its optimizer: `advance` takes steps, `snapshot` and `restore` undo them.

    Args:
        program: what to train.
        rows: what to train it on.
        update: how.
        parameters: the parameters that move.
        ranks: the processes that take each step together; each takes its share of the rows.
    """

    largest_block = 100

    def __init__(
        self,
        program: Program,
        rows: Batches,
        update: Update,
        parameters: list[nn.Parameter],
        ranks: Ranks = ALONE,
    ) -> None:
        self.program, self.rows, self.update, self.ranks = program, rows, update, ranks
        self.parameters, self.early = parameters, len(parameters)
        self.step, self.has_gradient = 0, False
        self.device = parameters[0].device
        self.turns = program.turns(parameters)
        self.optimizer = self._optimizer_of(parameters)

    def _optimizer_of(self, parameters: list[nn.Parameter]) -> Optimizer:
        update, normals = self.update, []
        if update.optimizer in NATURAL:
            check_natural(update.optimizer, self.program, parameters)
            normals = self.program.normals()
        return make_optimizer(
            update.optimizer, parameters, update.lr, update.weight_decay, self.turns, normals
        )

    def advance(self, count: int) -> Tensor:
        """Takes `count` steps; returns their losses in nats, shape (count,)."""
        block = self.rows_of(count)
        losses = [self._one(None if block is None else block[i]) for i in range(count)]
        return torch.stack(losses)

    def rows_of(self, count: int) -> Tensor | None:
        """The rows that this process takes in the next steps, (count, rows); None for all."""
        order = self.rows.order
        if order is None:
            return None
        return self.ranks.share(order.block(self.step, count)).to(self.device)

    def go_on_at(self, lr: float) -> None:
        """Takes further steps at another learning rate, from the parameters as they are now."""
        self.update = replace(self.update, lr=lr)
        self._set_rate(lr)

    def _set_rate(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("rate", 1.0)  # an earlier version saved none

    def _one(self, rows: Tensor | None) -> Tensor:
        step = torch.full((), float(self.step), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        averaging = self._own_noise() if self.ranks.several else None
        late = LateParameters(self.program.store, self.program)
        with noted(f"step {self.step} of training"), late:
            loss = self.program.backward(step, rows, *self.rows.take(rows))
        self._follow_store()
        if averaging is not None:
            loss = self._mean(averaging, loss, rows)
        if not self.has_gradient:
            self.has_gradient = any(one.grad is not None for one in self.parameters)
        for parameter, turn in zip(self.parameters, self.turns, strict=False):
            if not turn.is_due(self.step):
                parameter.grad = None  # the optimizer leaves it, and its averages, as they are
        if self.update.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.update.clip_norm)
        if self.update.lr_schedule is not None:
            self._set_rate(self.update.lr * float(self.update.lr_schedule(step)))
        self.optimizer.step()
        self.step += 1
        return loss

    def _own_noise(self) -> Averaging:
        """Begins a step of several ranks: seeds the noise of this one."""
        assert self.rows.order is not None
        self.ranks.reseed(self.rows.order.seed, self.step)
        return Averaging(self.ranks, self.program)

    def _mean(self, averaging: Averaging, loss: Tensor, rows: Tensor | None) -> Tensor:
        """The loss of all ranks; the gradients become theirs too."""
        order, late = self.rows.order, self.program.store.names[self.program.store.early :]
        if late:
            raise ValueError(
                f"Step {self.step} makes the parameter '{late[0]}', which another rank may not "
                "make. Under torchrun all parameters are there from the start: state it in the "
                "first run of model and guide."
            )
        assert order is not None
        assert rows is not None
        return averaging.mean(loss, self.parameters, len(rows) / order.batch)

    def _follow_store(self) -> None:
        """Trains the parameters that steps have made, and those only."""
        late = self.program.store.late
        if len(self.parameters) == self.early + len(late):
            return
        if self.turns:
            raise ValueError(
                f"Step {self.step} makes the parameter '{self.program.store.names[-1]}', while "
                "parts take turns. State it in the first run of model and guide."
            )
        known = {id(parameter) for parameter in self.parameters}
        self.parameters[self.early :] = late
        (group,) = self.optimizer.param_groups
        group["params"] = list(self.parameters)
        for parameter in set(self.optimizer.state) - set(self.parameters):
            del self.optimizer.state[parameter]
        for parameter in [one for one in late if id(one) not in known]:
            fresh = self._optimizer_of([parameter])  # some keep a state from the start
            self.optimizer.state.update(fresh.state)

    def vector(self) -> Tensor:
        """The parameters side by side, detached and copied, shape (numbers,)."""
        return torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])

    def snapshot(self) -> dict:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            "program": named_tensors(self.program),
            "averages": averages_of_pyro(),
            "statements": self.program.store.names,
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, snapshot: dict) -> None:
        """Goes back to a snapshot; the steps from there on repeat exactly."""
        self.step = snapshot["step"]
        self.program.match_statements(snapshot["statements"], snapshot["program"])
        self._follow_store()
        restore(self.program, snapshot["program"])
        set_averages_of_pyro(snapshot["averages"])
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))
        torch.set_rng_state(snapshot["random"])
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        for number, state in enumerate(snapshot["cuda_random"][:there]):
            torch.cuda.set_rng_state(state, number)  # a snapshot may come from another machine


def check_natural(name: str, program: Program, parameters: Sequence[nn.Parameter]) -> None:
    """Refuses parameters that are neither means nor scales of normals.

    Args:
        name: of the optimizer.
        program: model, guide and objective.
        parameters: those that are to be trained.

    Raises:
        ValueError: naming the first such parameter.
    """
    places = program.places_of_normals(parameters)
    known = {i for at in places for i in (at.loc, at.scale)}
    others = [p for i, p in enumerate(parameters) if i not in known]
    if not others:
        return
    first = others[0]
    names = [own for own, p in program.named_parameters() if p is first]
    of_model = id(first) in program.of_model()
    way = "Hold it by freeze_model=True, or pass" if of_model else "Use guide mean_field or"
    way = f"{way} optimizer='adam'." if of_model else f"{way} full_rank, or optimizer='adam'."
    raise ValueError(
        f"optimizer='{name}' follows natural gradients of normals, whose parameters are all means "
        f"and scales; '{names[0]}' of shape {tuple(first.shape)} is "
        f"{'a parameter of the model' if of_model else 'none that the guide states to be one'}. "
        f"{way}"
    )
