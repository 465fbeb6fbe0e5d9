"""The guide compared with the exact posterior, or with reference draws of it.

Metrics:
    posterior_mean_error: root mean squared error of the guide's means, in posterior sds.
    posterior_sd_error: root mean squared error of the guide's sds, in posterior sds.
    posterior_mean_worst: error of the mean that is off the most, in posterior sds.
    posterior_sd_worst: error of the sd that is off the most, in posterior sds.
    kl_exact: KL(q || p) to the exact posterior.
    sliced_wasserstein_1: Wasserstein-1 distance to posterior draws, mean over directions.
    sliced_wasserstein_2: Wasserstein-2 distance to posterior draws, over directions.
    mmd: maximum mean discrepancy to posterior draws, squared.
    mmd_p: p-value of the test that the discrepancy is 0.
    classifier_logistic: accuracy of a logistic regression that tells guide's from posterior draws.
    classifier_knn: the same by nearest neighbours; 0.5 if the two cannot be told apart.
    coverage_50: share of posterior draws inside the guide's central 50 % intervals.
    coverage_90: share of posterior draws inside the guide's central 90 % intervals.
    two_divergence: upper bound on the 2-divergence of the posterior from the guide, from weights.
    wasserstein_1_bound: upper bound on the Wasserstein-1 distance to the posterior.
    wasserstein_2_bound: upper bound on the Wasserstein-2 distance to the posterior.
    mean_error_bound: upper bound on the error of the guide's means.
    sd_error_bound: upper bound on the error of the guide's sds.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from zoo.evaluation.scored_fit import Scored
from zoo.latents import Family
from zoo.latents.forms import LABELS, as_numbers, form_of
from zoo.metrics.metric import Metric, joined
from zoo.metrics.posterior import Moments, exact_moments, posterior_errors
from zoo.metrics.two_sample import kl, two_sample
from zoo.metrics.wasserstein_bound import error_bounds
from zoo.protocols import HasEvidence, HasExactDraws, HasPosterior
from zoo.reference import Reference, reference
from zoo.reference.logs import of_logs, with_logs
from zoo.sampling.draws import draw, draw_jointly, draw_weighted, first_rows
from zoo.sampling.importance_weights import some_rows
from zoo.sampling.weighable import points
from zoo.sites.supports import SUMMED, Kind, in_words

COMPARED_ROWS = 50
COMPARED_DRAWS = 500
UNKNOWN = "the model does not know its posterior"


def mean_error(scored: Scored) -> dict[str, Metric]:
    """The metric "posterior_mean_error", in posterior sds; of labels, an error of probabilities.

    Raises:
        ValueError: if the posterior is not known, or the guide leaves latents out.
    """
    return {"posterior_mean_error": _moments(scored)["posterior_mean_error"]}


def sd_error(scored: Scored) -> dict[str, Metric]:
    """The metric "posterior_sd_error", in posterior sds.

    Raises:
        ValueError: as for the mean; also for labels, and for a guide with a point mass.
    """
    found = _moments(scored)
    if "posterior_sd_error" not in found:
        raise ValueError("the latents are labels, whose sds follow from their probabilities")
    still = points(scored.program, *some_rows(scored.program, scored.args))
    if still:
        raise ValueError(f"the guide puts {still} at a point, which has no sd")
    return {"posterior_sd_error": found["posterior_sd_error"]}


def worst_errors(scored: Scored) -> dict[str, Metric]:
    """The metrics "posterior_mean_worst" and "posterior_sd_worst", in posterior sds.

    Raises:
        ValueError: as for the sd; also where each row has latents of its own, of whose errors the
            largest is that of the noisiest row.
    """
    if scored.rowwise:
        raise ValueError(
            "each row has latents of its own, and the largest error over all rows is mostly "
            "noise; posterior_mean_error is over all rows"
        )
    sd_error(scored)
    found = _moments(scored)
    return {name: found[name] for name in ("posterior_mean_worst", "posterior_sd_worst")}


def _require_flat(scored: Scored) -> None:
    """Refuses latents in a curved space, where means, sds and intervals of coordinates mislead.

    Raises:
        ValueError: naming the latent.
    """
    for site in scored.program.latents.sites:
        if site.kind not in (Kind.CONTINUOUS, *SUMMED):
            raise ValueError(
                f"'{site.name}' takes {in_words(site.support, site.event_shape)}; means, sds and "
                "distances of its coordinates are not those of its space. Ask for elbo, iwae_K or "
                "latent usage"
            )


def _moments(scored: Scored) -> dict[str, Metric]:
    _require_flat(scored)
    exact, doubt = exact_moments(scored.program.model, scored.args), None
    note, logs = scored.note, tuple[str, ...]()
    if exact is None:
        known = _reference(scored)
        exact, doubt = _both_on(known.moments(), scored), _both_on(known.errors(), scored)
        note, logs = joined(note, "against reference draws", of_logs(known.logs)), known.logs
    scored.require_draws()
    sites = scored.program.latents
    drawn = draw(scored.program, scored.args, scored.draws).latents
    sampled = {name: as_numbers(value, sites[name]) for name, value in drawn.items()}
    sampled = with_logs(sampled, logs)
    labels = {site.name for site in scored.program.latents.sites if form_of(site) in LABELS}
    return posterior_errors(sampled, exact, note, doubt, labels)


def against_draws(scored: Scored) -> dict[str, Metric]:
    """Two-sample distances and tests; see :func:`zoo.metrics.two_sample.two_sample`.

    Raises:
        ValueError: if there are no draws of the posterior, or latents are discrete.
    """
    scored.require_draws()
    discrete = [s.name for s in scored.program.latents.sites if s.kind in SUMMED]
    if discrete:
        raise ValueError(f"latents {discrete} are discrete; distances need numbers")
    _require_flat(scored)
    known, logs = _exact_draws(scored)
    count = min(scored.draws, COMPARED_DRAWS)
    rows = COMPARED_ROWS if scored.rowwise else None
    sampled = draw(scored.program, scored.args, count, rows=rows).latents
    one, other = (_flat(with_logs(draws, logs)) for draws in (sampled, known))
    found = two_sample(one, other, seed=scored.seed)
    note = joined(scored.note, of_logs(logs))
    return {
        name: metric.noted(note, scored.first(COMPARED_ROWS))
        for name, metric in found.items()
        if not name.startswith("posterior")
    }


def exact_kl(scored: Scored) -> dict[str, Metric]:
    """The metric "kl_exact": KL(q || p), if the model has the density of its posterior.

    Raises:
        ValueError: where it is not.
    """
    model = scored.program.model
    if not isinstance(model, HasPosterior):
        raise ValueError(f"{UNKNOWN} as a distribution")
    scored.require_weights()
    guide = scored.program.guide
    if isinstance(guide, Family) and guide.auxiliary:
        raise ValueError(
            f"{type(guide).__name__} draws auxiliary numbers, so that log q of the latents alone "
            "is not known; the metric gap is at least this KL"
        )
    exact = model.posterior(*scored.args)
    found = draw_weighted(scored.program, scored.args, scored.draws)
    missing = [name for name in found.latents if name not in exact]
    if missing:
        raise ValueError(f"the model knows no posterior of {missing}")
    shapes = {name: q.batch_shape + q.event_shape for name, q in exact.items()}
    terms = [
        exact[name].log_prob(z.reshape(-1, *shapes[name])).reshape(len(z), -1).sum(1)
        for name, z in found.latents.items()
    ]
    count = scored.rows if scored.rowwise else 1
    metric = kl(found.log_q.sum(1) / count, torch.stack(terms).sum(0) / count)
    unit = "nats/row" if scored.rowwise else "nats"
    return {"kl_exact": Metric(metric.value, metric.se, unit, "lower", scored.note)}


def error_bound(scored: Scored) -> dict[str, Metric]:
    """Bounds on the errors of the guide's moments from its weights alone, on the first 50 rows.

    Raises:
        ValueError: if the guide leaves latents out, or latents are permutations or curved.
    """
    scored.require_weights()
    _require_flat(scored)
    permuted = [s.name for s in scored.program.latents.sites if s.kind is Kind.PERMUTATION]
    if permuted:
        raise ValueError(f"latents {permuted} are permutations; distances need numbers")
    rows = COMPARED_ROWS if scored.rowwise else None
    found = draw_weighted(scored.program, scored.args, scored.draws, rows=rows)
    columns = found.log_w.shape[1]
    z = torch.cat([_columns(value, columns) for value in found.latents.values()], dim=-1)
    evidence = None
    if isinstance(scored.program.model, HasEvidence):
        args = first_rows(scored.program, scored.args, rows)
        evidence = scored.program.model.log_evidence(*args).reshape(-1)
    metrics = error_bounds(z, found.log_w, evidence)
    return {name: _noted(metric, scored) for name, metric in metrics.items()}


def _columns(value: Tensor, columns: int) -> Tensor:
    """A site's draws as (draws, columns, dimensions)."""
    return value.reshape(len(value), columns, -1).to(torch.get_default_dtype())


def _noted(metric: Metric, scored: Scored) -> Metric:
    unit = metric.unit if scored.rowwise else metric.unit.removesuffix("/row")
    return replace(metric, unit=unit).noted(scored.note)


def _exact_draws(scored: Scored) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Draws of the exact posterior or of a reference, site -> (draws, ...), and its `logs`."""
    model, rows = scored.program.model, COMPARED_ROWS if scored.rowwise else None
    count = min(scored.draws, COMPARED_DRAWS)
    if not scored.program.latents.observed:  # the prior is the posterior
        return draw_jointly(scored.program, scored.args, count, rows=rows)[0], ()
    if isinstance(model, HasExactDraws):
        return model.exact_draws(count, *first_rows(scored.program, scored.args, rows)), ()
    if not isinstance(model, HasPosterior):
        known = _reference(scored)
        return {name: _on(z, scored) for name, z in known.draws.items()}, known.logs
    exact = model.posterior(*first_rows(scored.program, scored.args, rows))
    return {name: q.sample((count,)) for name, q in exact.items()}, ()


def _reference(scored: Scored) -> Reference:
    """The reference of the task; there is none for new rows, or for a model that is trained."""
    learns = next(scored.program.store.parameters(), None)
    if isinstance(scored.program.model, nn.Module):
        learns = next(scored.program.model.parameters(), learns)
    fits = scored.split == "train" and not scored.rowwise and learns is None
    found = reference(scored.result.task) if fits else None
    if found is None:
        raise ValueError(UNKNOWN)
    return found


def _both_on(pairs: Moments, scored: Scored) -> Moments:
    return {name: (_on(mean, scored), _on(sd, scored)) for name, (mean, sd) in pairs.items()}


def _on(value: Tensor, scored: Scored) -> Tensor:
    return value.to(scored.result.device, torch.get_default_dtype())


def _flat(draws: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: z.reshape(len(z), -1) for name, z in draws.items()}
