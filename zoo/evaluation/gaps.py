"""Why a bound is below log p(x): because of the guide's family, or because of its encoder.

    approximation gap = log p(x) - bound of the best q of the family for this row
    amortisation gap  = bound of the best q of the family for this row - bound of the encoder's q

Both are computed for each row, with the model fixed; the best q is found by optimisation for that
row alone. Their sum is the inference gap, log p(x) minus the fit's own bound.
Source: Cremer, Li & Duvenaud 2018, "Inference suboptimality in variational autoencoders".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from rich.table import Table
from torch import Tensor, nn

from zoo.checks.arguments import MANY, instance, one_of, seed_given, several, whole
from zoo.copies import lent
from zoo.device import to_device
from zoo.evaluation.local_optimisation import Search, optimise
from zoo.evaluation.row_gaps import RowGaps
from zoo.isolation import isolated
from zoo.metrics.bounds import log_evidence
from zoo.metrics.means import mean_of_draws
from zoo.metrics.metric import Metric, PerRow, plus_minus
from zoo.metrics.weight_diagnostics import k_hat, k_hat_threshold
from zoo.objectives import Objective, StickingTheLanding
from zoo.pairing.guide_input import check_guide
from zoo.pairing.mismatch import PairingError
from zoo.program import Program, build
from zoo.protocols import HasEvidence
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import row_count, take_rows, weight_chunks

STARTING_DRAWS = 500  # of the fit's guide, at whose moments a local guide starts
DECIMALS = 3


@runtime_checkable
class Starts(Protocol):
    """A guide with parameters for each row that can be initialised from another guide's draws."""

    def start(self, draws: Mapping[str, Tensor]) -> None:
        """Sets its moments to those of the draws; site -> (draws, *batch, *event)."""
        ...


@dataclass(frozen=True)
class Gaps:
    """The gaps on training rows, and on test rows if the guide is amortised.

    Attributes:
        splits: "train" and, if there are test rows and the guide is amortised, "test" -> gaps.
        families: names of the local families.
    """

    splits: dict[str, RowGaps]
    families: tuple[str, ...]

    def generalisation(self) -> dict[str, Metric]:
        """How much larger each gap is on test rows than on training rows; errors are over rows.

        "log_evidence" is how much less probable test rows are under the model. "elbo" is how much
        lower the bound of test rows is in all.

        Raises:
            ValueError: if only one split was asked for, or there is no test split.
        """
        if len(self.splits) < 2:
            raise ValueError(f"Expected gaps on test and train; got {list(self.splits)}.")
        train, test = self.splits["train"], self.splits["test"]
        gaps = test.per_row()
        pairs = {name: (gaps[name][0], value) for name, (value, _) in train.per_row().items()}
        pairs["log_evidence"] = train.log_evidence[0], test.log_evidence[0]
        pairs["elbo"] = train.amortised[0], test.amortised[0]
        return {name: _more(first, second) for name, (first, second) in pairs.items()}

    def table(self) -> Table:
        """A table with one row for each gap: its mean on each split with two standard errors.

        The last column is the difference of the splits; the caption says what makes gaps doubtful.
        """
        caption = "\n".join(self._doubts()) or None
        view = Table(title="Where the nats go, nats/row ± 2 se", caption=caption)
        more = self.generalisation() if len(self.splits) > 1 else {}
        columns = {name: split.metrics() for name, split in self.splits.items()}
        for heading in ("gap", *columns, *(["test - train"] if more else [])):
            view.add_column(heading, justify="left" if heading == "gap" else "right")
        for name in next(iter(columns.values())):
            cells = [_shown(metrics[name]) for metrics in columns.values()]
            view.add_row(name, *cells, *([_shown(more[name])] if more else []))
        return view

    def _doubts(self) -> list[str]:
        """What makes the gaps of each split doubtful, without repetitions."""
        found = [
            f"{split}: {doubt}"
            for split, rows in self.splits.items()
            for name in rows.per_row()
            for doubt in rows.doubts(name)
        ]
        return list(dict.fromkeys(found))


def measure_gaps(
    fit: Fit,
    families: Sequence[Callable],
    *,
    rows: int = 100,
    draws: int = 2000,
    objective: Objective = StickingTheLanding(16),  # noqa: B008
    search: Search = Search(),  # noqa: B008
    split: str | None = None,
    seed: int = 0,
) -> Gaps:
    """The gaps of a fit's bound that are due to the guide's family and to amortisation.

    Args:
        fit: of a model whose latents are all local, with continuous latents.
        families: guides with parameters for each row, e.g. guides.PerDatum,
            guides.PerDatumFullRank and guides.PerDatumIAF; they start at the fit's own posterior.
        rows: number of rows of each split, the first ones.
        draws: draws for each bound and for log p(x).
        objective: for optimising the local q. The gradient of sticking the landing has no variance
            where q is the exact posterior. It inverts flows, so Trace(16) is cheaper for flows of
            many dimensions.
        search: learning rate and limits of the optimisation.
        split: "train" or "test"; None for both, if the guide is amortised.
        seed: of everything random.

    Raises:
        ValueError: if latents are shared by rows, or fewer than 20 draws or one row are asked.
        PairingError: if a family does not go on the model.
    """
    instance("fit", fit, Fit, "Pass what zoo.fit or zoo.load_fit gave.")
    instance("objective", objective, Objective, "Pass e.g. zoo.objectives.Trace(16).")
    instance(
        "search", search, Search, "Pass e.g. zoo.evaluation.local_optimisation.Search(lr=0.01)."
    )
    _require_rowwise(fit)
    draws, rows = whole("draws", draws, least=20, most=MANY), whole("rows", rows, least=2)
    families = several("families", families, "Pass e.g. [guides.PerDatum].")
    named = {_name_of(check_guide(one, "each of families")): one for one in families}
    held = ["train"] + (["test"] if fit.amortised and fit.task.data.test else [])
    splits = held if split is None else [one_of("split", split, held)]
    with isolated(seed=seed_given(seed)), lent(fit.model):
        found = {
            name: _gaps_on(fit, name, named, rows, draws, objective, search) for name in splits
        }
    return Gaps(found, tuple(named))


def _require_rowwise(fit: Fit) -> None:
    """Raises ValueError for latents that rows share, which have no gap for each row."""
    if not fit.latents.rowwise:
        shared = [site.name for site in fit.latents.sites if not site.local]
        raise ValueError(
            f"Gaps are per row; the latents {shared} are shared by all rows. Compare the bounds "
            "of zoo.evaluate for two guides instead."
        )


def _gaps_on(
    fit: Fit,
    split: str,
    families: dict[str, Callable],
    rows: int,
    draws: int,
    objective: Objective,
    search: Search,
) -> RowGaps:
    args = tuple(to_device(arg, fit.device) for arg in fit.task.scoring_args(split))
    total = row_count(fit.program, args)
    own, args = _first_rows(fit.program, args, min(rows, total), total, draws)
    weights, steps, settled = {}, {}, {}
    for name, family in families.items():
        program = _local(fit, family, args, objective)
        steps[name], settled[name] = optimise(program, args, search)
        with torch.no_grad():
            weights[name] = torch.cat(list(weight_chunks(program, args, draws)), dim=1)
    proposals = _best_for_row([own, *weights.values()])
    limit = k_hat_threshold(len(proposals))
    high = k_hat(proposals)[0] > limit
    exact = isinstance(fit.model, HasEvidence)
    return RowGaps(
        split=split,
        log_evidence=_exact(fit.model, args) if exact else log_evidence(proposals),
        exact=exact,
        amortised=mean_of_draws(own),
        local={name: mean_of_draws(log_w) for name, log_w in weights.items()},
        steps=steps,
        settled=settled,
        k_hat_share=0.0 if exact else float(high.to(own.dtype).mean()),
        k_hat_limit=limit,
    )


def _best_for_row(log_w: list[Tensor]) -> Tensor:
    """The log-weights of each row's best guide, (draws, rows).

    The guide is chosen by the first quarter of the draws, and only the other draws are returned,
    so that the choice does not bias them.
    """
    every, quarter = torch.stack(log_w), len(log_w[0]) // 4
    best = every[:, :quarter].mean(1).argmax(0)
    return every[best, quarter:, torch.arange(len(best), device=best.device)].mT


@torch.no_grad()
def _first_rows(
    program: Program, args: tuple, rows: int, total: int, draws: int
) -> tuple[Tensor, tuple]:
    """Log-weights of the fit's own guide on the first rows, and the arguments with these rows."""
    picked = torch.arange(rows, device=next(program.parameters()).device)
    taken = take_rows(program, args, picked, total)
    return torch.cat(list(weight_chunks(program, taken, draws)), dim=1), taken


def _local(fit: Fit, family: Callable, args: tuple, objective: Objective) -> Program:
    """The fit's model, as trained, with a local guide that starts at the fit's posterior."""
    program = build(fit.model, family, objective, args, fit.program.kwargs, device=fit.device)
    if not isinstance(program.guide, nn.Module):
        raise PairingError(f"{family} has no parameters; pass a guide class like PerDatum.")
    if isinstance(program.guide, Starts):
        program.guide.start(draw(fit.program, args, STARTING_DRAWS).latents)
    return program.eval()


@torch.no_grad()
def _exact(model: object, args: tuple) -> PerRow:
    assert isinstance(model, HasEvidence)
    value = model.log_evidence(*args)
    return value, torch.zeros_like(value)


def _more(first: Tensor, second: Tensor) -> Metric:
    """The mean of the first rows minus that of the second, with its error over rows."""
    se = (first.var() / len(first) + second.var() / len(second)).sqrt()
    note = f"{len(first)} against {len(second)} rows; se over rows"
    return Metric(float(first.mean() - second.mean()), float(se), "nats/row", "lower", note)


def _shown(metric: Metric) -> str:
    return plus_minus(metric.value, 2 * metric.se, digits=DECIMALS)


def _name_of(family: Callable) -> str:
    inner = getattr(family, "func", family)
    return getattr(inner, "__name__", type(inner).__name__)
