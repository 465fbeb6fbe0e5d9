"""Which rows each step takes: a fresh permutation every epoch, a function of seed and step."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Order:
    """Minibatches of `batch` rows out of `rows`, without replacement within an epoch.

    An epoch has rows // batch steps; the rows left over come up in other epochs. Nothing is
    stored: step 12,345 of a seed takes the same rows in every run, resumed or not.
    """

    rows: int
    batch: int
    seed: int

    @property
    def epoch_steps(self) -> int:
        """Steps in one epoch."""
        return self.rows // self.batch

    def block(self, start: int, count: int) -> Tensor:
        """Rows of `count` steps from `start` on, shape (count, batch), int64 on the CPU."""
        steps = range(start, start + count)
        epochs = sorted({step // self.epoch_steps for step in steps})
        order = {epoch: self._permutation(epoch) for epoch in epochs}
        return torch.stack([order[s // self.epoch_steps][s % self.epoch_steps] for s in steps])

    def _permutation(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        shuffled = torch.randperm(self.rows, generator=generator)
        return shuffled[: self.epoch_steps * self.batch].reshape(self.epoch_steps, self.batch)
