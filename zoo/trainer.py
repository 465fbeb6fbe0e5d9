"""The plain training loop: one Python step after another, in blocks that can be undone."""

import copy

import torch
from torch import Tensor, nn

from zoo.optimizers import make_optimizer
from zoo.parameters import named_tensors, restore
from zoo.program import Program
from zoo.rows import Rows
from zoo.update import Update


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
        self, program: Program, rows: Rows, update: Update, parameters: list[nn.Parameter]
    ) -> None:
        self.program, self.rows, self.update = program, rows, update
        self.parameters = parameters
        self.step = 0
        self.device = parameters[0].device
        self.optimizer = make_optimizer(
            update.optimizer, parameters, update.lr, update.weight_decay
        )

    def advance(self, count: int) -> Tensor:
        """Takes `count` steps; returns their losses in nats, shape (count,)."""
        order = self.rows.order
        block = None if order is None else order.block(self.step, count).to(self.device)
        losses = [self._one(None if block is None else block[i]) for i in range(count)]
        return torch.stack(losses)

    def _one(self, rows: Tensor | None) -> Tensor:
        step = torch.full((), float(self.step), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.program.backward(step, rows, *self.rows.take(rows))
        if self.update.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.update.clip_norm)
        if self.update.lr_schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.update.lr * float(self.update.lr_schedule(step))
        self.optimizer.step()
        self.step += 1
        return loss

    def snapshot(self) -> dict:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            "program": named_tensors(self.program),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, snapshot: dict) -> None:
        """Goes back to a snapshot; the steps from there on repeat exactly."""
        self.step = snapshot["step"]
        restore(self.program, snapshot["program"])
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))
        torch.set_rng_state(snapshot["random"])
        if snapshot["cuda_random"]:
            torch.cuda.set_rng_state_all(snapshot["cuda_random"])
