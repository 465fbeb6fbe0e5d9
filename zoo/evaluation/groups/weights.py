"""Metrics of the log importance weights, and the gap between bound and exact evidence.

Metrics:
    elbo: evidence lower bound E_q[ log p(x, z) - log q(z) ], which `trace` maximises.
    iwae_10: importance-weighted bound of 10 draws.
    iwae_100: importance-weighted bound of 100 draws; above iwae_10, below log p(x).
    log_evidence: log p(x) by importance sampling with all draws.
    cubo: chi upper bound 1/2 log E_q[ w^2 ] of log p(x), from all draws; by name only.
    ess: effective number of draws that the importance weights leave.
    largest_weight: share of the largest importance weight in the sum of all.
    k_hat: Pareto k-hat of the median row: above min(1 - 1/log10 S, 0.7) weights mislead.
    k_hat_share: share of rows whose Pareto k-hat is above that limit.
    k_hat_rows: number of rows whose Pareto k-hat is above that limit, and the worst rows.
    exact_log_evidence: log p(x) in closed form, by quadrature or by a sum over all states.
    gap: exact log p(x) minus the ELBO.
"""

import math
from dataclasses import replace

from torch import Tensor

from zoo.evaluation.scored_fit import Scored, trains_model
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.metric import Metric, PerRow, joined
from zoo.metrics.shares import share_error
from zoo.metrics.weight_diagnostics import TIED, k_hat_threshold
from zoo.protocols import HasEvidence
from zoo.sampling.energy import with_shared_error

ROWS_NAMED = 5  # those with the largest k-hat
EXACT = "exact: nothing is latent"
TAIL_OF_POWER = {"log_evidence": 1, "cubo": 2}  # means of w and w^2: w^n has n times the k-hat


def of_weights(scored: Scored, *, name: str) -> dict[str, Metric]:
    """One metric of ``zoo.metrics.WEIGHT_METRICS``: its mean, or median, over rows.

    Raises:
        ValueError: if there are too few draws for it.
    """
    table = WEIGHT_METRICS[name]
    values, errors = _row_values(scored, name)
    note = joined(scored.note, scored.rounding if table.unit == "nats" else "")
    if table.undefined:
        values, errors, left = _where_defined(values, errors, table.undefined)
        note = joined(note, left)
    metric = table.summarise(values, errors, rowwise=scored.rowwise, note=note)
    _require_finite(metric, values, scored)
    if table.unit == "nats":
        metric = with_shared_error(metric, scored.log_z)
    if scored.nothing_latent:
        exact = "" if scored.log_z.error else EXACT
        return {name: replace(metric, note=joined(metric.note, exact, _seen(scored)))}
    if name == "elbo":
        return {name: replace(metric, note=joined(metric.note, _subsampled(scored)))}
    if name not in TAIL_OF_POWER:
        return {name: metric}
    doubt = _doubt(_row_values(scored, "k_hat")[0], scored.draws, TAIL_OF_POWER[name])
    return {name: replace(metric, note=joined(metric.note, scored.density_note, doubt))}


def _where_defined(values: Tensor, errors: Tensor, why: str) -> tuple[Tensor, Tensor, str]:
    """The values and errors of rows that have a value, and a note on the others."""
    defined = ~values.isnan()
    if not defined.any():
        raise ValueError(f"undefined: {why}")
    left = len(values) - int(defined.sum())
    return values[defined], errors[defined], f"undefined on {left} rows: {why}" if left else ""


def _require_finite(metric: Metric, values: Tensor, scored: Scored) -> None:
    if math.isfinite(metric.value) and math.isfinite(metric.se):
        return
    bad = int((~values.isfinite()).sum())
    if not bad:
        raise ValueError(
            f"its standard error is {metric.se}: the weights are too unequal for these draws"
        )
    if metric.unit in ("nats", "nats/row", "draws", "of the weight"):
        where = f" on {bad} of {len(values)} rows"
        raise ValueError(f"the log-weights are not finite{where}{scored.divergence}")
    raise ValueError(f"it is {metric.value}; there is no tail to fit, or it takes more draws")


def _seen(scored: Scored) -> str:
    """A note that a density was trained on the rows it is scored on; "" if not."""
    learnt = scored.split == "train" and trains_model(scored.result)
    return "on the rows it was trained on" if learnt else ""


def _subsampled(scored: Scored) -> str:
    """A note for a model that subsamples one of its plates."""
    names = scored.program.latents.drawn_plates
    return f"each draw holds another subsample of plate '{names[0]}'" if names else ""


def rows_above(scored: Scored) -> dict[str, Metric]:
    """The metric "k_hat_rows": number of rows above the threshold; the note names the worst.

    Raises:
        ValueError: where all data share one weight.
    """
    if not scored.rowwise:
        raise ValueError("all rows share their latents, and so one importance weight")
    values, _ = _row_values(scored, "k_hat")
    limit = k_hat_threshold(scored.draws)
    values, _, left = _where_defined(values, values, TIED)
    high = int((values > limit).sum())
    top = values.sort(descending=True)
    named = zip(top.indices[:ROWS_NAMED].tolist(), top.values[:ROWS_NAMED].tolist(), strict=True)
    worst = "largest k-hat: " + ", ".join(f"row {row} {k:.2f}" for row, k in named)
    se = len(values) * share_error(high / len(values), len(values))
    unit = f"of {len(values)} rows"
    return {"k_hat_rows": Metric(float(high), se, unit, "lower", joined(scored.note, left, worst))}


def exact_evidence(scored: Scored) -> dict[str, Metric]:
    """The metrics "exact_log_evidence" and "gap", which is that minus the bound.

    Raises:
        ValueError: if the model has no exact evidence, or it is a sum of too many terms.
    """
    if scored.log_z.error:
        raise ValueError(f"log Z is estimated {scored.log_z.how}; see log_evidence")
    if scored.nothing_latent:
        return {"exact_log_evidence": of_weights(scored, name="log_evidence")["log_evidence"]}
    model = scored.program.model
    if not isinstance(model, HasEvidence):
        raise ValueError("the model does not know its log evidence")
    value = float(model.log_evidence(*scored.args).mean())
    bound = of_weights(scored, name="elbo")["elbo"]
    return {
        "exact_log_evidence": Metric(value, 0.0, bound.unit, "higher", scored.note),
        "gap": Metric(value - bound.value, bound.se, bound.unit, "lower", scored.note),
    }


def _row_values(scored: Scored, name: str) -> PerRow:
    found = scored.by_row[name]
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _doubt(k: Tensor, draws: int, power: int) -> str:
    """A note that the error of a mean of w^power cannot be trusted, with k-hat; "" if it can."""
    limit = k_hat_threshold(draws) / power
    high = int((k > limit).sum())
    if not high:
        return ""
    if len(k) == 1:
        return f"error not to be trusted: k-hat {float(k[0]):.2f}"
    return f"error not to be trusted on {high} of {len(k)} rows: k-hat above {limit:.2f}"
