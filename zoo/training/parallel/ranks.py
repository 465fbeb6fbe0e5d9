"""The ranks of a fit on several processes, and what they tell each other.

Each method is called by all ranks at the same point, in the same order. A fit in one process has
the one rank `ALONE`, for which every method gives back what it was given.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class RankError(ValueError):
    """Another rank ended, or is not doing what this one does."""


@dataclass(frozen=True)
class Ranks:
    """One of the processes that train a fit together.

    Attributes:
        rank: which of them this one is, from 0 on; rank 0 decides, writes and shows progress.
        count: how many there are.
        device: where this one trains.
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Is this rank 0?"""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Is there more than one rank?"""
        return self.count > 1

    def share(self, rows: Tensor) -> Tensor:
        """This rank's rows of each step, from those of all ranks, shape (..., batch)."""
        return rows.tensor_split(self.count, dim=-1)[self.rank]

    def reseed(self, seed: int, step: int) -> None:
        """Seeds the noise of this rank's next step, which follows from seed, rank and step alone.

        A resumed fit thus takes the same numbers as one that was never stopped, and no rank has
        to know the random state of another.
        """
        digest = sha256(f"noise of step {step} on rank {self.rank} under seed {seed}".encode())
        number = int.from_bytes(digest.digest()[:4], "little")
        torch.default_generator.manual_seed(number)
        if torch.device(self.device).type == "cuda":
            torch.cuda.manual_seed(number)

    def add_up(self, vector: Tensor) -> None:
        """Puts the sum over all ranks in the place of a vector."""
        if self.several:
            with _answered():
                dist.all_reduce(vector)

    def any(self, *claims: bool) -> tuple[bool, ...]:
        """For each claim: does it hold on any rank?"""
        if not self.several:
            return claims
        found = torch.tensor(claims, dtype=torch.int32, device=self.device)
        with _answered():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return tuple(bool(one) for one in found.tolist())

    def gathered(self, value: T) -> list[T]:
        """The value of each rank."""
        if not self.several:
            return [value]
        found = [value] * self.count
        with _answered():
            dist.all_gather_object(found, value)
        return found

    def decided(self, compute: Callable[[], T]) -> T:
        """What rank 0 computes; the other ranks wait for it.

        Raises:
            RankError: on the other ranks, if rank 0 raised an error.
        """
        if not self.several:
            return compute()
        if not self.first:
            value, error = cast("tuple[T, str | None]", self._sent((None, None)))
            if error is not None:
                raise RankError(f"Rank 0 of {self.count} ended: {error}")
            return value
        try:
            value = compute()
        except Exception as error:
            self._sent((None, f"{type(error).__name__}: {error}"))
            raise
        self._sent((value, None))
        return value

    def follow_first(self, tensors: Iterable[Tensor]) -> None:
        """Sets tensors to those of rank 0, in place."""
        if not self.several:
            return
        with torch.no_grad(), _answered():
            for tensor in tensors:
                sent = tensor.detach().clone(memory_format=torch.contiguous_format)
                dist.broadcast(sent, 0)
                tensor.copy_(sent)

    def check_same(self, values: dict[str, object]) -> None:
        """Refuses a fit whose ranks were given different things.

        Args:
            values: what must be the same on all ranks, by the names that a user knows.

        Raises:
            RankError: naming the first that differs.
        """
        everywhere = self.gathered(values)
        for name in values:
            found = [one[name] for one in everywhere]
            if any(one != found[0] for one in found):
                raise RankError(
                    f"Expected the same {name} on all {self.count} ranks; got {found}, from rank "
                    "0 on. Let every rank run the same script on the same data."
                )

    def _sent(self, value: object) -> object:
        """What rank 0 passed."""
        held = [value]
        with _answered():
            dist.broadcast_object_list(held, 0, device=torch.device(self.device))
        return held[0]


ALONE = Ranks()


@contextmanager
def _answered() -> Iterator[None]:
    """Says what it means that the other ranks do not answer."""
    try:
        yield
    except RuntimeError as error:
        text = (str(error).splitlines() or [""])[0]
        raise RankError(
            "Another rank has ended, or does not answer; its own error says why. A rank that is "
            f"alone in calling zoo.fit waits like this too. torch.distributed: {text}"
        ) from error
