"""A fit on the rows that it is scored on: what every group of metrics is computed from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zoo.energies import LogZ
from zoo.evaluation.latent_usage import LatentUsage, latent_usage
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.bounds import elbo
from zoo.metrics.metric import PerRow
from zoo.program import Program
from zoo.results.result import Fit
from zoo.sampling.draws import require_all_drawn
from zoo.sampling.energy import log_z_of
from zoo.sampling.importance_weights import (
    bound_chunks,
    independent_rows,
    row_count,
    some_rows,
    weight_chunks,
)
from zoo.sampling.weighable import about_density, require_certain, require_whole, rounding
from zoo.sites.supports import SUMMED

LATENT_ROWS = 100  # on which latents are looked at


@dataclass(frozen=True)
class Scored:
    """A fit, the rows to score it on, and the metrics of the weights for each row.

    Attributes:
        result: the fit.
        program: its program; parameters for each row have been fitted to the rows scored.
        args: arguments of the model, all rows of the split.
        split: "train", "valid" or "test".
        draws: draws from the guide for each row.
        seed: of the draws.
        note: put in front of the metrics' own notes.
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
        """Does each data row have latents of its own, and share none with other rows?"""
        return self.program.latents.rowwise

    @property
    def nothing_latent(self) -> bool:
        """Has the model no latents, so that its density of a row is log p(x) itself?"""
        return not self.program.latents.sites

    @property
    def rows(self) -> int:
        """Number of data rows; 1 where there are none."""
        return row_count(self.program, self.args)

    @cached_property
    def log_z(self) -> LogZ:
        """What the model's log p leaves out: log Z with its error; 0 where it is normalised."""
        return log_z_of(self.program, *some_rows(self.program, self.args))

    def first(self, most: int) -> str:
        """A note on the rows of a metric of the first so many; "" where rows share latents."""
        return f"first {min(most, self.rows)} rows" if self.rowwise else ""

    @property
    def trained_rows(self) -> int:
        """Number of rows the fit was trained on, if rows have latents of their own; else 1."""
        return independent_rows(self.program, self.result.task.split("train"))

    @cached_property
    def by_row(self) -> dict[str, PerRow | str]:
        """Metric of the log-weights -> its values for each row, or why it cannot be computed.

        Besides the metrics asked for it holds the ELBO and those that other metrics need.
        """
        if self.nothing_latent:
            return dict.fromkeys(("elbo", "log_evidence"), self._exact())
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

    @property
    def kept_rows(self) -> dict[str, PerRow]:
        """The same of what was computed, where each row has a weight and an error of its own."""
        if not self.rowwise or self.program.latents.drawn_plates or self.log_z.error:
            return {}
        found: dict[str, PerRow | str] = vars(self).get("by_row", {})
        return {name: values for name, values in found.items() if not isinstance(values, str)}

    def _exact(self) -> PerRow:
        """Log p(x) of each row, or of all rows together, without an error but that of log Z."""
        _ = self.rounding
        values = torch.cat(
            [log_w[0] for log_w in weight_chunks(self.program, self.args, 1)]
        ).double()
        return values, torch.zeros_like(values)

    def _needed(self) -> set[str]:
        needed = {"elbo", *self.names}
        needed |= {"log_evidence"} if "bits_per_dimension" in needed else set()
        return needed | ({"k_hat"} if needed & {"log_evidence", "cubo", "k_hat_rows"} else set())

    def _chunks(self, names: list[str], reasons: dict[str, str]) -> Iterator[Tensor]:
        """The log-weights; of a model that subsamples a plate they are good for the ELBO alone."""
        _ = self.rounding  # raises if the rounding error is too large
        if not self.program.latents.drawn_plates:
            return weight_chunks(self.program, self.args, self.draws)
        try:
            require_whole(self.program.latents)
        except ValueError as error:
            reasons |= dict.fromkeys([name for name in names if name != "elbo"], str(error))
        return bound_chunks(self.program, self.args, self.draws)

    def _of_rows(self, name: str, log_w: Tensor) -> PerRow:
        """A metric of each row of a chunk.

        Where the model subsamples a plate, all rows of the chunk share each draw's subsample, so
        the errors of rows are fully correlated. They are scaled so that the error of their mean,
        computed as if they were independent, is right.
        """
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
        return any(site.kind in SUMMED for site in drawn)

    @cached_property
    def certain(self) -> bool:
        """True if the model's density of a draw is the same in each run; otherwise it raises.

        Raises:
            ValueError: with two different densities of one draw.
        """
        require_certain(self.program, *some_rows(self.program, self.args))
        return True

    @cached_property
    def rounding(self) -> str:
        """A note on the rounding error of a log-weight; "" if it is small.

        Raises:
            ValueError: if it is above a nat, or the density is random.
        """
        _ = self.certain
        return rounding(self.program, *some_rows(self.program, self.args))

    @cached_property
    def density_note(self) -> str:
        """A note on how the model's density differs from log p(x, z); "" if it does not."""
        return about_density(self.program, *some_rows(self.program, self.args))

    @cached_property
    def latent_usage(self) -> LatentUsage:
        """How much the latents are used, on the first rows.

        Raises:
            ValueError: if rows share latents, or the guide leaves some out.
        """
        self.require_whole_draws()
        return latent_usage(self.program, self.args, rows=LATENT_ROWS, seed=self.seed)

    @property
    def divergence(self) -> str:
        """The explanation to add where a metric is not finite."""
        diverged = self.result.stopped == "diverged"
        return ": training diverged, and so does the last state before" if diverged else ""

    def require_draws(self, *, of_all: bool = True) -> None:
        """Refuses a guide that leaves latents out, or draws a subsample of a plate of latents.

        Args:
            of_all: must the guide draw all latents? Otherwise at least one.

        Raises:
            ValueError: naming the latents.
        """
        _ = self.certain
        if of_all or not self.program.guided:
            require_all_drawn(self.program)
        drawn = set(self.program.latents.drawn_plates)
        for site in self.program.latents.sites:
            if drawn & {plate.name for plate in site.plates}:
                raise ValueError(f"each draw holds another subsample of '{site.name}'")

    def require_whole_draws(self) -> None:
        """As :meth:`require_draws`; refuses also a model that subsamples one of its plates.

        Raises:
            ValueError: with the reason.
        """
        self.require_draws()
        require_whole(self.program.latents)

    def require_weights(self) -> None:
        """As :meth:`require_whole_draws`; refuses also weights with a rounding error above a nat.

        Raises:
            ValueError: with the reason.
        """
        self.require_whole_draws()
        _ = self.rounding


def trains_model(result: Fit) -> bool:
    """Were parameters of the model trained?"""
    own, parameters = result.program.of_model(), result.program.parameters()
    moved = any(id(one) in own and one.requires_grad for one in parameters)
    return moved and not result.settings.freeze_model


def _joined(parts: list[PerRow]) -> tuple[Tensor, Tensor]:
    values, errors = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(errors)
