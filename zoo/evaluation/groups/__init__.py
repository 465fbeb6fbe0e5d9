"""The table of all groups of metrics, each of which is a file in this folder.

A part of a group computes some metrics from a scored fit, or raises ValueError with the reason why
they cannot be computed for its task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from zoo.evaluation.groups import (
    calibration,
    diagnostics,
    gaps,
    moments,
    posterior,
    prediction,
    weights,
)
from zoo.evaluation.scored_fit import Scored
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.metric import Metric


@dataclass(frozen=True)
class Part:
    """Metrics that are computed together.

    Attributes:
        group: name of the group; asking for it asks for all its parts.
        names: of the metrics; that of a single latent site or family is NAME/SITE.
        compute: gives the metrics, or raises ValueError with the reason why not.
        quick: does it take seconds, so that it is computed by default?
        of_draws: is it about draws of latents, so that it does not apply where nothing is latent?
        of_energy: does it hold too where the model has an energy, whose log p is known up to log Z
            and of which there are no exact draws?
    """

    group: str
    names: tuple[str, ...]
    compute: Callable[[Scored], dict[str, Metric]]
    quick: bool = True
    of_draws: bool = True
    of_energy: bool = False


DISTANCES = ("sliced_wasserstein_1", "sliced_wasserstein_2", "mmd", "mmd_p")
TESTS = ("classifier_logistic", "classifier_knn", "coverage_50", "coverage_90")
BOUNDS = ("wasserstein_1_bound", "wasserstein_2_bound", "mean_error_bound", "sd_error_bound")
AGGREGATED = ("active_units", "prior_mmd", "prior_mmd_p")
GAPS = ("inference_gap", "approximation_gap", "amortisation_gap", "generalisation_gap")
PSIS = ("psis_mean_shift", "psis_sd_shift", "psis_off_share")
SMC = ("smc_mean_shift", "smc_sd_shift", "smc_excess")
COVERAGE = ("predictive_coverage_50", "predictive_coverage_90")
WORST = ("posterior_mean_worst", "posterior_sd_worst")
EXACT = ("elbo", "log_evidence")  # both are log p(x) where nothing is latent

PARTS: tuple[Part, ...] = (
    *(
        Part(
            "upper" if name == "cubo" else "weights",
            (name,),
            partial(weights.of_weights, name=name),
            quick=name != "cubo",
            of_draws=name not in EXACT,
            of_energy=True,
        )
        for name in WEIGHT_METRICS
    ),
    Part("weights", ("k_hat_rows",), weights.rows_above, of_energy=True),
    Part(
        "exact",
        ("exact_log_evidence", "gap"),
        weights.exact_evidence,
        of_draws=False,
        of_energy=True,
    ),
    Part("posterior", ("posterior_mean_error",), posterior.mean_error, of_energy=True),
    Part("posterior", ("posterior_sd_error",), posterior.sd_error, of_energy=True),
    Part("posterior", WORST, posterior.worst_errors, of_energy=True),
    Part("posterior", ("kl_exact",), posterior.exact_kl),
    Part("two_sample", DISTANCES + TESTS, posterior.against_draws),
    Part("wasserstein_bound", ("two_divergence", *BOUNDS), posterior.error_bound),
    Part("psis", PSIS, moments.from_weights),
    Part("from_prior", SMC, moments.from_prior),
    Part("latents", diagnostics.INFORMATION, diagnostics.information),
    Part("latents", AGGREGATED, diagnostics.aggregated),
    Part("prediction", ("log_predictive",), prediction.held_out),
    Part("prediction", ("bits_per_dimension",), prediction.bits, of_draws=False, of_energy=True),
    Part("prediction", ("elpd_loo", "p_loo", "loo_k_hat_share"), prediction.left_out),
    Part("prediction", ("predictive_p",), prediction.replicated, of_draws=False),
    Part("prediction", ("calibration_error",), prediction.calibrated),
    Part("prediction", COVERAGE, prediction.covered),
    Part(
        "convergence",
        ("bound_change", "bound_rise"),
        diagnostics.bound_change,
        of_draws=False,
        of_energy=True,
    ),
    Part(
        "convergence",
        ("r_hat", "still_to_move"),
        diagnostics.stationarity,
        of_draws=False,
        of_energy=True,
    ),
    Part("gaps", GAPS, gaps.losses_of_bound, quick=False),
    Part("sbc", ("sbc_p",), calibration.ranks, quick=False),
    Part("vsbc", ("vsbc_p",), calibration.refits, quick=False),
)

__all__ = ["PARTS", "Part", "Scored"]
