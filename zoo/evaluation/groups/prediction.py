"""How well a fit predicts held-out rows, and whether its replicated data look like the data.

Metrics:
    log_predictive: log density of test rows, given latents inferred from training rows.
    bits_per_dimension: -log2 p(x) per pixel, for pictures.
    elpd_loo: expected log density of a left-out row, by smoothed importance sampling.
    p_loo: effective number of parameters by leaving rows out.
    loo_k_hat_share: share of rows for which leaving them out by weights fails.
    predictive_p: posterior predictive p-value of mean, sd, minimum and maximum.
    calibration_error: how far predicted probabilities or quantiles are from frequencies.
    predictive_coverage_50: share of observations inside central 50 % predictive intervals.
    predictive_coverage_90: share of observations inside central 90 % predictive intervals.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from zoo.device import to_device
from zoo.evaluation.groups.weights import of_weights
from zoo.evaluation.scored_fit import Scored
from zoo.isolation import isolated
from zoo.likelihoods import LIKELIHOODS
from zoo.metrics.calibration import calibration, predictive_coverage, quantile_calibration
from zoo.metrics.metric import Metric
from zoo.metrics.prediction import bits_per_dimension, log_predictive, loo, predictive_check
from zoo.models.vaes.dequantised_vae import DequantisedVAE
from zoo.sampling.draws import (
    draw,
    draw_predictive,
    draw_weighted,
    drawn_in_turn,
    first_rows,
    observed_sites,
)
from zoo.sites.supports import of_one_element, unmixed

REPLICATED_DATA_SETS = 200
REPLICATED_ROWS = 200
STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": torch.mean,
    "sd": torch.std,
    "min": torch.amin,
    "max": torch.amax,
}


def held_out(scored: Scored) -> dict[str, Metric]:
    """The metric "log_predictive" of test rows, given latents inferred from the training rows.

    Raises:
        ValueError: where rows have latents of their own, or there are no test rows.
    """
    scored.require_whole_draws()
    args = _test_args(scored)
    found = draw(scored.program, args, scored.draws).log_likelihood
    return {"log_predictive": log_predictive(_of_observations(found))[0]}


def bits(scored: Scored) -> dict[str, Metric]:
    """The metric "bits_per_dimension" of pictures, computed from log_evidence.

    It is defined where the model gives probabilities of pixels: of binary pixels by a likelihood
    of bits; of grey levels by a likelihood of levels, or by a dequantised density.

    Raises:
        ValueError: for other data, for a model that observes more than the picture, and for a
            model that gives densities of pixels.
    """
    data = scored.result.task.data
    if data.image is None or not scored.rowwise:
        raise ValueError("the data are no pictures, or their rows share latents")
    size = math.prod(data.image)
    with isolated():  # so that this run does not change the random draws of log_evidence
        sites = observed_sites(scored.program, first_rows(scored.program, scored.args, 1))
    values = {name: site["value"].numel() for name, site in sites.items()}
    if list(values.values()) != [size]:
        raise ValueError(f"the model observes {values} values a row, not one picture of {size}")
    (site,) = sites.values()
    if not (_takes_levels(scored) or (data.binarize != "none" and _is_binary(site))):
        raise ValueError(
            "the model gives a density of pixels, which has no bits; use a likelihood of bits "
            "(bernoulli) or of levels (categorical, logistic_mixture, dequantised)"
        )
    metric = of_weights(scored, name="log_evidence")["log_evidence"]
    return {"bits_per_dimension": bits_per_dimension(metric, size, exact=scored.nothing_latent)}


def _takes_levels(scored: Scored) -> bool:
    likelihood = scored.result.task.parts.likelihood
    takes_levels = likelihood is not None and LIKELIHOODS[likelihood].takes == "levels"
    return takes_levels or isinstance(scored.program.model, DequantisedVAE)


def _is_binary(site: dict[str, Any]) -> bool:
    return of_one_element(site["fn"].support) is constraints.boolean


def left_out(scored: Scored) -> dict[str, Metric]:
    """PSIS-LOO of the training rows, from the guide's draws and their weights.

    Raises:
        ValueError: where rows have latents of their own, or are not independent given the latents.
    """
    _require_shared(scored)
    scored.require_weights()
    args = scored.result.task.scoring_args("train")
    args = tuple(to_device(arg, scored.result.device) for arg in args)
    found = draw_weighted(scored.program, args, scored.draws)
    return loo(_of_observations(found.log_likelihood), found.log_w.sum(1))[0]


def replicated(scored: Scored) -> dict[str, Metric]:
    """Posterior predictive p-values of mean, sd, smallest and largest value of each site.

    Raises:
        ValueError: if the model observes nothing, or a draw of a row takes too long.
    """
    scored.require_whole_draws()
    rows = REPLICATED_ROWS if scored.rowwise else None
    slow = drawn_in_turn(scored.program, first_rows(scored.program, scored.args, 2))
    if slow:
        raise ValueError(f"{slow}, and whole data sets are needed; some draws: fit.sample(10)")
    copies = draw_predictive(scored.program, scored.args, REPLICATED_DATA_SETS, rows=rows)
    if not copies:
        raise ValueError("the model observes nothing")
    args = first_rows(scored.program, scored.args, rows)
    data = observed_sites(scored.program, args)
    found: dict[str, Metric] = {}
    for name, site in data.items():
        real, drawn = site["value"].double(), copies[name].double()
        if real.numel() < 2:
            raise ValueError(f"'{name}' is a single number")
        checks = predictive_check(real, drawn, STATISTICS)
        label = "" if len(data) == 1 else f"/{name}"
        found |= {f"{check}{label}": metric for check, metric in checks.items()}
    return found


def calibrated(scored: Scored) -> dict[str, Metric]:
    """The metric "calibration_error" of test rows: of probabilities of bits, or of quantiles.

    Raises:
        ValueError: for other outcomes, or no test rows.
    """
    scored.require_whole_draws()
    args = _test_args(scored)
    for name, site in observed_sites(scored.program, args).items():
        if not _is_binary(site) and unmixed(site["fn"].support).is_discrete:
            raise ValueError(f"the outcome '{name}' is neither a bit nor a real number")
        copies, value = draw_predictive(scored.program, args, scored.draws)[name], site["value"]
        if _is_binary(site):
            curve = calibration(copies.double().mean(0).flatten(), value.flatten())
        else:
            curve = quantile_calibration(value.flatten(), copies.flatten(1))
        return {"calibration_error": curve.error}
    raise ValueError("the model observes nothing")


def covered(scored: Scored) -> dict[str, Metric]:
    """Shares of real test outcomes that lie inside the predictive intervals.

    Raises:
        ValueError: for discrete outcomes, or no test rows.
    """
    scored.require_whole_draws()
    args = _test_args(scored)
    for name, site in observed_sites(scored.program, args).items():
        if unmixed(site["fn"].support).is_discrete:
            raise ValueError(f"the outcome '{name}' is discrete; intervals need numbers")
        copies = draw_predictive(scored.program, args, scored.draws)[name]
        return predictive_coverage(site["value"].flatten(), copies.flatten(1))
    raise ValueError("the model observes nothing")


def _require_shared(scored: Scored) -> None:
    if any(site.local for site in scored.program.latents.sites):
        raise ValueError("rows have latents of their own; log_evidence is what they predict by")


def _test_args(scored: Scored) -> tuple:
    _require_shared(scored)
    task = scored.result.task
    if not task.data.test:
        raise ValueError("there are no test rows")
    return tuple(to_device(arg, scored.result.device) for arg in task.split("test"))


def _of_observations(found: dict[str, Tensor]) -> Tensor:
    """Log-likelihood of each observation, (draws, rows), sites of the same rows together."""
    parts = list(found.values())
    if not parts or parts[0].dim() < 2 or len({part.shape for part in parts}) > 1:
        raise ValueError("the observations are not rows that are independent given the latents")
    return torch.stack(parts).sum(0).flatten(1)
