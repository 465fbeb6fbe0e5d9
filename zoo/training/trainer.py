"""The plain training loop: one Python step after another, in blocks that can be undone."""

import copy
from dataclasses import replace

import pyro
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.checks.whereabouts import noted
from zoo.data.batches import Batches
from zoo.handlers.late import LateParameters
from zoo.handlers.parameters import named_tensors, restore
from zoo.optim.optimizers import make_optimizer
from zoo.optim.update import Update
from zoo.program import Program

AVERAGES = "__baseline_avg_downstream_cost_"  # as Pyro names them


class Trainer:
    """A program with its optimizer: `advance` takes steps, `snapshot` and `restore` undo them.

    Args:
        program: what to train.
        rows: what to train it on.
        update: how.
        parameters: the parameters that move.
    """

    largest_block = 100

    def __init__(
        self, program: Program, rows: Batches, update: Update, parameters: list[nn.Parameter]
    ) -> None:
        self.program, self.rows, self.update = program, rows, update
        self.parameters, self.early = parameters, len(parameters)
        self.step, self.has_gradient = 0, False
        self.device = parameters[0].device
        self.optimizer = self._optimizer_of(parameters)

    def _optimizer_of(self, parameters: list[nn.Parameter]) -> Optimizer:
        update = self.update
        return make_optimizer(update.optimizer, parameters, update.lr, update.weight_decay)

    def advance(self, count: int) -> Tensor:
        """Takes `count` steps; returns their losses in nats, shape (count,)."""
        order = self.rows.order
        block = None if order is None else order.block(self.step, count).to(self.device)
        losses = [self._one(None if block is None else block[i]) for i in range(count)]
        return torch.stack(losses)

    def go_on_at(self, lr: float) -> None:
        """Takes further steps at another learning rate, from the parameters as they are now."""
        self.update = replace(self.update, lr=lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def _one(self, rows: Tensor | None) -> Tensor:
        step = torch.full((), float(self.step), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        late = LateParameters(self.program.store, self.program)
        with noted(f"step {self.step} of training"), late:
            loss = self.program.backward(step, rows, *self.rows.take(rows))
        self._follow_store()
        if not self.has_gradient:
            self.has_gradient = any(one.grad is not None for one in self.parameters)
        if self.update.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.update.clip_norm)
        if self.update.lr_schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.update.lr * float(self.update.lr_schedule(step))
        self.optimizer.step()
        self.step += 1
        return loss

    def _follow_store(self) -> None:
        """Trains the parameters that steps have made, and those only."""
        late = self.program.store.late
        if len(self.parameters) == self.early + len(late):
            return
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
            "averages": _running_averages(),
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
        for name, value in snapshot["averages"].items():
            pyro.get_param_store()[name] = value
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))
        torch.set_rng_state(snapshot["random"])
        if snapshot["cuda_random"]:
            torch.cuda.set_rng_state_all(snapshot["cuda_random"])


def _running_averages() -> dict[str, Tensor]:
    """The decaying-average baselines that Pyro's TraceGraph_ELBO keeps in the parameter store."""
    store = pyro.get_param_store()
    names = [name for name in store.keys() if name.startswith(AVERAGES)]  # noqa: SIM118
    return {name: store[name].detach().clone() for name in names}
