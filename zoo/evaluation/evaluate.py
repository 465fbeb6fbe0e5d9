"""`zoo.evaluate`: metrics of a fit on held-out rows, each with its standard error."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import torch

from zoo.checks.arguments import MANY, instance, seed_given, whole
from zoo.checks.whereabouts import noted
from zoo.device import to_device
from zoo.evaluation.answers import NO_DRAWS, NOTHING_LATENT
from zoo.evaluation.groups import PARTS, Part, Scored
from zoo.evaluation.groups.absent import why_absent
from zoo.evaluation.scored_fit import trains_model
from zoo.evaluation.selection import SLOW, Asked, asked_for
from zoo.evaluation.shown import as_html, as_text
from zoo.evaluation.verdict import Verdict, verdict, without_latents
from zoo.evidence import Evidence
from zoo.isolation import isolated
from zoo.metrics import Metric
from zoo.metrics.metric import PerRow, joined
from zoo.normals.difficulties import Difficulty
from zoo.program import Program
from zoo.results.result import Fit
from zoo.sampling.energy import with_shared_error
from zoo.sampling.importance_weights import independent_rows, row_count
from zoo.sampling.separable import with_rows_together
from zoo.training.refit import fit_again

QUICKEST = (
    "elbo",
    "iwae_10",
    "iwae_100",
    "log_evidence",
    "ess",
    "largest_weight",
    "k_hat",
    "k_hat_share",
    "exact_log_evidence",
    "gap",
    "posterior_mean_error",
    "posterior_sd_error",
    "posterior_mean_worst",
    "posterior_sd_worst",
    "psis_mean_shift",
    "psis_sd_shift",
    "bound_rise",
)
USUAL_DRAWS_PER_ROW, FEWEST_DRAWS_PER_ROW = 1000, 200
MOST_WEIGHTS = 2_000_000  # draws times rows, unless the fewest draws are more
USUAL_DRAWS_OF_SHARED_WEIGHTS = 10_000  # where all rows share one importance weight
MOST_ROW_VALUES = 10_000_000  # draws times rows, where all rows share one importance weight
FEWEST_DRAWS = 20


@dataclass(frozen=True, repr=False)
class Metrics(Mapping[str, Metric]):
    """Name -> metric, and the metrics that were left out, with the reasons.

    Attributes:
        metrics: the metrics.
        skipped: name -> why a metric that was asked for was not computed.
        split: the data split that was scored.
        rows: number of data rows, over which values in nats/row are means; 1 where all rows share
            a latent, and values are in nats.
        draws: draws from the guide for each row.
        trains_model: were parameters of the model trained?
        nothing_latent: has the model no latents, so that log p(x) is exact?
        difficulties: what the fit found hard about the posterior.
        by_row: metric of the weights -> value and standard error of each row, (rows,) each; empty
            where all rows share one weight.
    """

    metrics: dict[str, Metric]
    skipped: dict[str, str]
    split: str
    rows: int
    draws: int
    trains_model: bool = True
    nothing_latent: bool = False
    difficulties: tuple[Difficulty, ...] = ()
    by_row: dict[str, PerRow] = field(default_factory=dict, compare=False)

    def __getitem__(self, name: str) -> Metric:
        if name in self.skipped:
            raise KeyError(f"{name} was not computed: {self.skipped[name]}")
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @property
    def answers(self) -> Verdict:
        """The verdict: may bound, weights and draws be trusted? Each answer has a reason."""
        if self.nothing_latent:
            return without_latents(self.metrics, self.skipped)
        tried = {name: why for name, why in self.skipped.items() if why != SLOW}
        return verdict(
            self.metrics,
            self.draws,
            tried,
            trains_model=self.trains_model,
            difficulties=self.difficulties,
        )

    @property
    def verdict(self) -> str:
        """The answers and the difficulties as lines; see :mod:`zoo.evaluation.verdict`."""
        return str(self.answers)


def evaluate(
    result: Fit,
    *,
    metrics: Sequence[str | Evidence] | str | None = None,
    split: str | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> Metrics:
    """Metrics of a fit, each with its standard error, and the verdict on them.

    Args:
        result: the fit.
        metrics: names of metrics or of groups (``zoo.evaluation.groups``), "all", or None for all
            that take seconds. Computed only by name or under "all": gaps, sbc, vsbc, ais,
            ais_from_guide, smc and bdmc. iwae_K can be asked for with any K. For other settings
            pass the estimator itself, e.g. ``zoo.evidence.AnnealedImportance(temperatures=1000)``.
        split: "train", "valid" or "test". None is "test" where rows are independent and there are
            test rows, else "train", since latents that rows share were inferred from these. A
            guide with free parameters for each row is first fitted to the new rows, with the model
            fixed, for as many steps as the fit took.
        draws: draws from the guide for each row. None is 1000; with more than 2,000 rows it is
            two million divided by the rows, but at least 200. Where all rows share one weight it
            is 10,000, or ten million divided by the rows if that is less, but at least 1000; and
            1000 for a model that does not broadcast over draws.
        seed: of the draws. The value of a metric does not depend on which others are asked for.

    Returns:
        The metrics: means over rows in nats/row where rows are independent, else in nats.

    Raises:
        ValueError: for a metric that does not exist, or fewer than 20 draws.
    """
    instance("result", result, Fit, "Pass what zoo.fit or zoo.load_fit gave.")
    split = held_out_split(result) if split is None else split
    result.task.split(split)
    asked, seed = check_scoring(metrics, draws), seed_given(seed)
    program, note = _for_rows_of(result, split)
    args = tuple(to_device(arg, result.device) for arg in result.task.scoring_args(split))
    program = with_rows_together(program, args)
    rows = row_count(program, args)
    wide = program.latents.vectorises and not program.latents.rowwise
    draws = draws or default_draws(rows, one_weight=wide)
    names = frozenset(asked.names)
    scored = Scored(result, program, args, split, draws, seed, note, names)
    found, skipped = _computed(scored, asked)
    ordered = {name: found[name] for wanted in asked.names for name in _called(wanted, found)}
    weighed = independent_rows(program, args)
    left = skipped | _left(scored, asked)
    return Metrics(
        ordered,
        left,
        split,
        weighed,
        draws,
        trains_model=trains_model(result),
        nothing_latent=scored.nothing_latent,
        difficulties=tuple(result.difficulties),
        by_row=scored.kept_rows,
    )


def check_scoring(metrics: Sequence[str | Evidence] | str | None, draws: int | None) -> Asked:
    """The metrics to compute; raises for a wrong argument, so call it before a long fit.

    Raises:
        ValueError: for a metric that does not exist, or fewer than 20 draws.
    """
    if draws is not None:
        whole("draws", draws, least=FEWEST_DRAWS, most=MANY)
    return asked_for(metrics)


def default_draws(rows: int, *, one_weight: bool = False) -> int:
    """The default number of draws for each row, at least 200, so that `iwae_100` can be computed.

    Where all rows share one weight, it is larger: k-hat of a single row has a standard error of
    0.17 at 1000 draws, and of less than 0.1 at 10,000.
    """
    if one_weight:
        most = min(USUAL_DRAWS_OF_SHARED_WEIGHTS, MOST_ROW_VALUES // rows)
        return max(USUAL_DRAWS_PER_ROW, most)
    return max(FEWEST_DRAWS_PER_ROW, min(USUAL_DRAWS_PER_ROW, MOST_WEIGHTS // rows))


def held_out_split(result: Fit) -> str:
    """The test rows where rows are independent and there are any, else the train rows."""
    return "test" if result.latents.rowwise and result.task.data.test else "train"


def _for_rows_of(result: Fit, split: str) -> tuple[Program, str]:
    """The program to score, and a note if parameters for each row were fitted to the split."""
    if split == "train" or result.amortised:
        return result.program, ""
    inner = fit_again(result, result.task.on(split))
    steps = len(inner.losses)
    return inner.program, f"row parameters fitted to the {split} rows for {steps} steps"


def _computed(scored: Scored, asked: Asked) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics that could be computed, and for the others the reason why not."""
    found: dict[str, Metric] = {}
    skipped: dict[str, str] = {}
    parts = [part for part in PARTS if _applies(part, scored)]
    jobs = [(asked.of(part), partial(part.compute, scored)) for part in parts]
    estimators = [] if scored.nothing_latent else asked.estimators
    jobs += [(list(one.names), partial(_estimated, scored, one)) for one in estimators]
    for names, compute in [job for job in jobs if job[0]]:
        try:
            with isolated(seed=scored.seed), torch.no_grad(), noted(f"scoring: {names[0]}"):
                made = compute()
        except (ValueError, NotImplementedError) as error:
            skipped |= dict.fromkeys(names, str(error))
            continue
        kept, dropped = finite(made, scored.divergence)
        found, skipped = found | kept, skipped | dropped
    missing = [name for name in asked.names if not _called(name, found) and name not in skipped]
    return found, skipped | {name: _why_missing(name, scored) for name in missing}


def _why_missing(name: str, scored: Scored) -> str:
    if scored.program.latents.energy_units:
        return NO_DRAWS
    return NOTHING_LATENT if scored.nothing_latent else why_absent(name)


def _left(scored: Scored, asked: Asked) -> dict[str, str]:
    """Why groups and estimators were left out that were not asked for."""
    if scored.program.latents.energy_units:
        return dict.fromkeys(asked.left, NO_DRAWS)
    return asked.left


def _applies(part: Part, scored: Scored) -> bool:
    if scored.program.latents.energy_units and not part.of_energy:
        return False
    return not (part.of_draws and scored.nothing_latent)


def _estimated(scored: Scored, estimator: Evidence) -> dict[str, Metric]:
    note = joined(scored.note, scored.rounding, scored.density_note)
    found = estimator.metrics(scored.program, scored.args, note)
    return {name: with_shared_error(metric, scored.log_z) for name, metric in found.items()}


def finite(
    metrics: dict[str, Metric], divergence: str
) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics that are finite, and for the others a sentence with their values."""
    kept = {n: f for n, f in metrics.items() if math.isfinite(f.value) and math.isfinite(f.se)}
    dropped = {
        name: f"not finite: {metric.value} +- {metric.se}{divergence}"
        for name, metric in metrics.items()
        if name not in kept
    }
    return kept, dropped


def _called(wanted: str, found: Mapping[str, Metric]) -> list[str]:
    """Names of the metric and of its variants for single sites, NAME/SITE."""
    return [name for name in found if name == wanted or name.startswith(f"{wanted}/")]


def as_numbers(metrics: Metrics) -> dict[str, dict[str, object]]:
    """The metrics for JSON: name -> {value, se, unit, better, note}."""
    return {name: asdict(metric) for name, metric in metrics.items()}


def metrics_record(metrics: Metrics) -> dict[str, object]:
    """Metrics, verdict and what was skipped, for JSON."""
    return {
        "split": metrics.split,
        "rows": metrics.rows,
        "draws": metrics.draws,
        "verdict": metrics.verdict,
        "answers": metrics.answers.questions,
        "difficulties": [asdict(one) for one in metrics.difficulties],
        "metrics": as_numbers(metrics),
        "skipped": metrics.skipped,
    }
