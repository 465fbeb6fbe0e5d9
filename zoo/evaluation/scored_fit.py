"""What every group of metrics is computed from, and the draws that groups share."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zoo.latents import Kind
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.bounds import elbo
from zoo.metrics.metric import PerRow
from zoo.program import Program
from zoo.results.result import Fit
from zoo.sampling.draws import require_all_drawn
from zoo.sampling.importance_weights import (
    bound_chunks,
    independent_rows,
    row_count,
    some_rows,
    weight_chunks,
)
from zoo.sampling.weighable import about_density, require_certain, require_whole, rounding


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
        note: what to say first in the metrics' notes.
        names: the metrics that are asked for.
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

    @property
    def trained_rows(self) -> int:
        """Number of data rows with latents of their own that the fit was trained on; else 1."""
        return independent_rows(self.program, self.result.task.split("train"))

    @cached_property
    def by_row(self) -> dict[str, PerRow | str]:
        """Metrics of the log-weights for each row, or why not; chunk by chunk of rows.

        Besides what is asked for: the ELBO, and what metrics made of others need.
        """
        names = [name for name in WEIGHT_METRICS if name in self._needed()]
        parts: dict[str, list[PerRow]] = {name: [] for name in names}
        reasons: dict[str, str] = {}
        for log_w in self._chunks(names, reasons):
            for name in [name for name in names if name not in reasons]:
                try:
                    parts[name].append(self._of_rows(name, log_w))
                except ValueError as error:
                    reasons[name] = str(error)
        return {name: reasons.get(name) or _joined(parts[name]) for name in names}

    def _needed(self) -> set[str]:
        needed = {"elbo", *self.names}
        needed |= {"log_evidence"} if "bits_per_dimension" in needed else set()
        return needed | ({"k_hat"} if needed & {"log_evidence", "k_hat_rows"} else set())

    def _chunks(self, names: list[str], reasons: dict[str, str]) -> Iterator[Tensor]:
        """The log-weights; of a model that draws its terms, for the ELBO alone."""
        _ = self.rounding  # refuses weights that are nothing else
        if not self.program.latents.drawn_plates:
            return weight_chunks(self.program, self.args, self.draws)
        try:
            require_whole(self.program.latents)
        except ValueError as error:
            reasons |= dict.fromkeys([name for name in names if name != "elbo"], str(error))
        return bound_chunks(self.program, self.args, self.draws)

    def _of_rows(self, name: str, log_w: Tensor) -> PerRow:
        """A metric of each row; what a draw holds of a plate, all rows of a chunk share."""
        about = {"discrete": self._draws_discrete} if name in ("k_hat", "k_hat_share") else {}
        values, errors = WEIGHT_METRICS[name].compute(log_w, **about)
        if not self.program.latents.drawn_plates:
            return values, errors
        mean_error = elbo(log_w.mean(1, keepdim=True))[1]
        return values, mean_error * len(values) ** 0.5 * torch.ones_like(errors)

    @property
    def _draws_discrete(self) -> bool:
        """Does the guide draw any discrete latent?"""
        latents, guided = self.program.latents, self.program.guided
        drawn = [site for site in latents.sites if guided is None or site.name in guided]
        return any(site.kind is Kind.DISCRETE for site in drawn)

    @cached_property
    def certain(self) -> bool:
        """The model's density at a draw is one number: always true, for where it is not it raises.

        Raises:
            ValueError: with two densities of one draw.
        """
        require_certain(self.program, *some_rows(self.program, self.args))
        return True

    @cached_property
    def rounding(self) -> str:
        """What rounding does to a log-weight, for a note.

        Raises:
            ValueError: if that is more than a nat, or the density is random.
        """
        _ = self.certain
        return rounding(self.program, *some_rows(self.program, self.args))

    @cached_property
    def density_note(self) -> str:
        """What else than log p(x, z) the model's density is, for a note."""
        return about_density(self.program, *some_rows(self.program, self.args))

    @property
    def divergence(self) -> str:
        """What to add where a metric is not finite."""
        diverged = self.result.stopped == "diverged"
        return ": training diverged, and the state before is no better" if diverged else ""

    def require_draws(self, *, of_all: bool = True) -> None:
        """Refuses a guide that leaves latents out, or draws a part of them at a time.

        Args:
            of_all: else some latents may be left to a sum, but not all.

        Raises:
            ValueError: naming them.
        """
        _ = self.certain
        if of_all or not self.program.guided:
            require_all_drawn(self.program)
        drawn = set(self.program.latents.drawn_plates)
        for site in self.program.latents.sites:
            if drawn & {plate.name for plate in site.plates}:
                raise ValueError(f"each draw holds another part of '{site.name}'")

    def require_whole_draws(self) -> None:
        """The same, and a model that holds all of its terms at once.

        Raises:
            ValueError: with the reason.
        """
        self.require_draws()
        require_whole(self.program.latents)

    def require_weights(self) -> None:
        """The same, and weights that are not all rounding.

        Raises:
            ValueError: with the reason.
        """
        self.require_whole_draws()
        _ = self.rounding


def _joined(parts: list[PerRow]) -> tuple[Tensor, Tensor]:
    values, errors = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(errors)
