"""What every group of figures is computed from, and the draws that groups share."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zoo.figures import WEIGHT_FIGURES
from zoo.figures.figure import PerRow
from zoo.latents import Family
from zoo.log_weights import row_count, weight_chunks
from zoo.program import Program
from zoo.result import Fit


@dataclass(frozen=True)
class Scored:
    """A fit on the rows that it is scored on.

    Attributes:
        result: the fit.
        program: its program; local parameters are fitted to the rows scored.
        args: arguments of the model, all rows of the split.
        split: "train", "valid" or "test".
        draws: draws from the guide for each row.
        seed: of the draws.
        note: what to say first in the figures' notes.
        names: the figures that are asked for.
    """

    result: Fit
    program: Program
    args: tuple
    split: str
    draws: int
    seed: int
    note: str
    names: frozenset[str]

    @property
    def rowwise(self) -> bool:
        """Does each data row have latents of its own, and none that it shares?"""
        return self.program.latents.rowwise

    @property
    def rows(self) -> int:
        """Number of data rows; 1 where there are none."""
        return row_count(self.program, self.args)

    @cached_property
    def by_row(self) -> dict[str, PerRow | str]:
        """Figures of the log-weights for each row, or why not; chunk by chunk of rows.

        Besides what is asked for: the ELBO, and what figures made of others need.
        """
        names = [name for name in WEIGHT_FIGURES if name in self._needed()]
        parts: dict[str, list[PerRow]] = {name: [] for name in names}
        reasons: dict[str, str] = {}
        for log_w in weight_chunks(self.program, self.args, self.draws):
            for name in [name for name in names if name not in reasons]:
                try:
                    parts[name].append(WEIGHT_FIGURES[name].compute(log_w))
                except ValueError as error:
                    reasons[name] = str(error)
        return {name: reasons.get(name) or _joined(parts[name]) for name in names}

    def _needed(self) -> set[str]:
        needed = {"elbo", *self.names}
        needed |= {"log_evidence"} if "bits_per_dimension" in needed else set()
        return needed | ({"k_hat"} if needed & {"log_evidence", "k_hat_rows"} else set())

    def require_draws(self) -> None:
        """Refuses a guide that leaves latents out, to be summed over.

        Raises:
            ValueError: naming them.
        """
        guide, names = self.program.guide, self.program.latents.names
        held = guide.latents.names if isinstance(guide, Family) else names  # type: ignore[attr-defined]
        left = [name for name in names if name not in held]
        if left:
            raise ValueError("the guide draws nothing" if not held else f"no draws of {left}")


def _joined(parts: list[PerRow]) -> tuple[Tensor, Tensor]:
    values, errors = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(errors)
