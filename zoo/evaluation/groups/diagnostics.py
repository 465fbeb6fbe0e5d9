"""How much the latents are used, and whether training had converged.

Metrics:
    kl: KL(q(z | x) || p(z)) of each latent: how much it says about a row.
    mutual_information: mutual information of rows and latents under the guide.
    active_units: number of latent dimensions whose posterior mean varies over rows.
    prior_mmd: discrepancy of the aggregated posterior from the prior, squared.
    prior_mmd_p: p-value of the test that this discrepancy is 0.
    bound_change: relative rise of the bound over the last half of training.
    bound_rise: rise of the bound over the last half of training, or what is still possible.
    r_hat: R-hat of the parameters over the last steps; 1 means that they are stationary.
    still_to_move: how far a mean may still move until the optimum, in sds of the guide.
"""

from zoo.evaluation.latent_usage import has_density
from zoo.evaluation.scored_fit import LATENT_ROWS, Scored
from zoo.evaluation.verdict_bound import NO_COURSE, NO_STEPS
from zoo.metrics.metric import Metric
from zoo.normals.shortfall import Shortfall
from zoo.results.convergence import change_of_mean
from zoo.sampling.weighable import POINT_MASS

INFORMATION = ("kl", "mutual_information")
FEWEST_STEPS = 80


def information(scored: Scored) -> dict[str, Metric]:
    """KL by site, and mutual information of rows and latents; on 100 rows.

    Raises:
        ValueError: if rows share latents, or the guide leaves some out, or has no density.
    """
    if not has_density(scored.program.guide):
        raise ValueError(POINT_MASS.format(names=list(scored.program.latents.names)))
    found = _latents(scored)
    return {name: one for name, one in found.items() if name.split("/")[0] in INFORMATION}


def aggregated(scored: Scored) -> dict[str, Metric]:
    """Active units, and the distance of q(z) from the prior; on 100 rows.

    Raises:
        ValueError: if rows share latents, or the guide leaves some out.
    """
    found = _latents(scored)
    return {name: one for name, one in found.items() if name.split("/")[0] not in INFORMATION}


def _latents(scored: Scored) -> dict[str, Metric]:
    return {
        name.replace("mmd", "prior_mmd"): metric.noted(scored.note, scored.first(LATENT_ROWS))
        for name, metric in scored.latent_usage.metrics().items()
    }


def bound_change(scored: Scored) -> dict[str, Metric]:
    """The metrics "bound_change" and "bound_rise", of the bound in the last half of training.

    The rise is in nats, or in nats/row where rows have latents of their own; the change is
    relative. A fit that measured its own shortfall has "bound_rise" only: what is still possible.

    Source: Kucukelbir et al. 2017, "Automatic differentiation variational inference" (a relative
    change below 0.01 is their rule to stop).

    Raises:
        ValueError: for fewer than 80 steps, losses that are not finite, an objective whose
            value is no bound, or a guide that was found without steps.
    """
    losses, found = scored.result.losses, scored.result.convergence
    if scored.result.solver is not None:
        raise ValueError(NO_STEPS)
    if not scored.result.settings.objective.value_is_bound:
        raise ValueError(NO_COURSE)
    if isinstance(found, Shortfall):
        note = "which is still possible" if scored.result.settings.dadvi else "in the last stage"
        return {"bound_rise": Metric(found.rise, found.rise_se, "nats", "lower", note)}
    if len(losses) < FEWEST_STEPS:
        raise ValueError(f"Expected at least {FEWEST_STEPS} steps to compare; got {len(losses)}.")
    late = losses[len(losses) // 2 :]
    if not late.isfinite().all():
        raise ValueError("some losses are not finite")
    change, error = change_of_mean(late)
    level = late[len(late) // 2 :].double().mean().abs()
    note = f"from one half of the last {len(late)} steps to the other"
    value, se = float(change / level), float(error / level)
    rows, unit = (scored.trained_rows, "nats/row") if scored.rowwise else (1, "nats")
    return {
        "bound_change": Metric(value, se, "of the bound", "lower", note),
        "bound_rise": Metric(float(change) / rows, float(error) / rows, unit, "lower", note),
    }


def stationarity(scored: Scored) -> dict[str, Metric]:
    """The metric "r_hat" of the iterates, or "still_to_move", which the fit computed itself.

    Raises:
        ValueError: if the fit did not compute it.
    """
    found = scored.result.convergence
    if scored.result.solver is not None:
        raise ValueError(NO_STEPS)
    if found is None:
        raise ValueError("the fit did not watch its iterates; fit with until='converged'")
    if isinstance(found, Shortfall):
        of_steps = "of the mean or the sd that the last stage changed most"
        note = "of the farthest mean" if scored.result.settings.dadvi else of_steps
        return {"still_to_move": Metric(found.move, found.move_se, "guide sds", "lower", note)}
    note = f"99 % quantile over parameters, last {found.window} steps"
    return {"r_hat": Metric(found.r_hat, 0.0, "", "lower", note)}
