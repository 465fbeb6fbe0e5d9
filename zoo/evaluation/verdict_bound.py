"""Is the bound correct (no value is impossible), and has it stopped rising?

These are impossible, beyond three standard errors and rounding: a bound or an estimate of log p(x)
above the exact evidence, KL(q || p) below 0, and a KL from the prior below the mutual information
(it is the mutual information plus another KL). They show that a density or a log-determinant is
wrong.

The last half of training is split in two. The bound is still rising if its mean over the second
part is higher by more than 0.1 nats, beyond two standard errors; 0.1 nats for each row where rows
have latents of their own. It has stopped rising if the increase plus two standard errors is below
0.1 nats. If the error is too large for either, the answer is "cannot tell". The 0.1 nats are a
choice. If the gap to the exact evidence is below 0.02 nats, this test is not needed.

A guide that was found by a method of its own took no steps, and nothing is asked of its course.

A fit until it converged says itself by how much its bound can still rise, and by how many of its
own sds a mean can still move; more than 0.1 of them is a no.

If the model has no parameters to train, log p(x) is fixed, and training can raise the bound by the
gap to log p(x) at most. log p(x) is then the exact evidence, or the estimate from trusted weights
plus what particles from the prior find beyond it. If that gap plus two standard errors is below
0.1 nats, it is used in place of the losses, which are noisier.
Sources: Dhaka et al. 2020, "Robust, accurate stochastic optimization for variational inference";
Hoffman & Johnson 2016, "ELBO surgery" (KL and the mutual information).
"""

import math
from collections.abc import Iterator

from zoo.evaluation.answers import NO, SURE, UNSURE, YES, Answer, Found, Skipped, shown, untried
from zoo.evaluation.mutual_information import may_not_exceed_kl
from zoo.evaluation.verdict_evidence import TIGHT, checked_against, estimated_gap
from zoo.metrics import Metric
from zoo.metrics.metric import difference
from zoo.metrics.moment_shift import NO_MEANS
from zoo.results.convergence import R_HAT, RISE

MOVE = 0.1  # guide sds
SINGLE_PRECISION = 1e-5  # relative rounding error of the values
NO_COURSE = "the value of this objective is no bound, so that its course says nothing"
NO_STEPS = "the guide was found by a method of its own, without steps that could raise a bound"
LOWERED_ELSE = "training lowered something else, so that nothing says whether it still rises"
ALL_THAT_IS_LEFT = "which is all that training can still gain, as the model has no parameters"


def bound(
    found: Found, weights: Answer, skipped: Skipped | None = None, *, trains_model: bool = True
) -> Answer:
    """The answer about the bound if no value is impossible.

    Args:
        found: name -> metric.
        weights: the answer about the weights.
        skipped: name -> why a metric could not be computed.
        trains_model: has the model parameters of its own that were trained?
    """
    checked = checked_against(found)
    limited = not trains_model and _little_left(found, weights)
    if limited and checked:
        return Answer(YES, f"{_where(found)}, {ALL_THAT_IS_LEFT}; {checked}")
    moving = [] if limited else list(_moving(found))
    if moving:
        return Answer(NO, "; ".join(moving))
    if "elbo" not in found and "gap" not in found:
        return Answer(UNSURE, "no bound was computed", "metrics=['elbo', 'convergence']")
    where = _where(found)
    if "gap" in found and found["gap"].high() < TIGHT:
        return Answer(YES, where)
    still = _still(found)
    if checked and weights.answer == YES and _is_tight(found):
        return Answer(YES, f"{where}; {checked}")
    doubts = [] if checked else ["nothing to check its values against"]
    reason = (skipped or {}).get("bound_rise")
    unseen, solved = reason == NO_COURSE, reason == NO_STEPS
    if unseen and not limited:
        doubts += [LOWERED_ELSE]
    elif not still and not limited and not solved:
        doubts += ["no sign that it has stopped rising" + _seen(found)]
    if not doubts:
        moved = "found without steps" if solved else f"no rise above {RISE} nats"
        return Answer(YES, f"{where}; {checked}; {moved}")
    asks = [] if checked else [_to_check(found, skipped or {})]
    asks += [] if still or limited or unseen or solved else ["more steps"]
    return Answer(UNSURE, "; ".join([where, *doubts]), " and ".join(filter(None, asks)))


def exact_likelihood(found: Found, skipped: Skipped) -> Answer:
    """The answer for a model without latents: nothing is to be checked but that it has arrived.

    Args:
        found: name -> metric.
        skipped: name -> why a metric could not be computed.
    """
    if moving := list(_moving(found)):
        return Answer(NO, "; ".join(moving))
    exact = "exact" if "exact_log_evidence" in found else "known up to the error of log Z"
    if skipped.get("bound_rise") == NO_COURSE:
        return Answer(UNSURE, f"log p(x) is {exact}; {LOWERED_ELSE}", "")
    if not _still(found):
        return Answer(
            UNSURE,
            f"log p(x) is {exact}; no sign that it has stopped rising{_seen(found)}",
            "more steps",
        )
    return Answer(YES, f"log p(x) is {exact}, as nothing is latent; no rise above {RISE} nats")


def _to_check(found: Found, skipped: Skipped) -> str:
    quick = untried(["weights", "from_prior"], found, skipped)
    if skipped.get("smc_mean_shift") == NO_MEANS:  # chains move in flat spaces only
        return quick
    return quick or untried(["ais"], found, skipped) or untried(["smc"], found, skipped)


def _where(found: Found) -> str:
    """How far the bound is from log p(x), or only its value."""
    if "gap" in found:
        return f"{shown(found['gap'])} {found['gap'].unit} below the exact evidence"
    if gap := estimated_gap(found):
        return f"{shown(gap)} {gap.unit} below the importance-sampled log p(x)"
    return f"ELBO {shown(found['elbo'])} {found['elbo'].unit}"


def _little_left(found: Found, weights: Answer) -> bool:
    """Is the bound so close to log p(x) that it cannot rise by more than the limit?"""
    if "gap" in found:
        return found["gap"].high() < RISE
    gap, more = estimated_gap(found), found.get("smc_excess")
    if weights.answer != YES or gap is None:
        return False
    if more is None:
        return gap.high() < RISE
    whole = gap.value + max(0.0, more.value)
    return Metric(whole, math.hypot(gap.se, more.se), gap.unit).high() < RISE


def _is_tight(found: Found) -> bool:
    """Is the bound close to log p(x) as estimated by the weights and by particles, if run?"""
    gap = estimated_gap(found)
    excess = found["smc_excess"].value if "smc_excess" in found else 0.0
    return gap is not None and gap.high() < TIGHT and excess < TIGHT


def impossible(found: Found) -> Iterator[str]:
    """Sentences on values that are impossible if the densities of model and guide are correct."""
    for name in ("elbo", "gap", "log_evidence"):
        if name in found and not math.isfinite(found[name].value):
            yield f"{name} is {found[name].value}"
    exact = found.get("exact_log_evidence")
    names = [n for n in found if n in ("elbo", "log_evidence") or n.startswith("iwae_")]
    for name in names if exact else ():
        excess = difference(found[name], exact)  # type: ignore[arg-type]
        if _beyond(excess, exact):
            yield f"{name} lies {shown(excess)} {excess.unit} above the exact evidence"
    if exact is None and "gap" in found and _beyond(_negative(found["gap"]), None):
        yield f"gap {shown(found['gap'])} is negative"
    for name, metric in found.items():
        if name.split("/")[0] in ("kl", "kl_exact") and _beyond(_negative(metric), None):
            yield f"{name} {shown(metric)} is negative"
    if {"kl", "mutual_information"} <= set(found) and may_not_exceed_kl(
        found["mutual_information"]
    ):
        short = difference(found["mutual_information"], found["kl"])
        if _beyond(short, None):
            yield f"KL from the prior lies {shown(short)} nats below the mutual information"


def _negative(metric: Metric) -> Metric:
    return Metric(-metric.value, metric.se, metric.unit)


def _beyond(excess: Metric, level: Metric | None) -> bool:
    """Is it above 0 by more than three standard errors and rounding?"""
    rounding = SINGLE_PRECISION * max(1.0, abs(level.value) if level else 1.0)
    return excess.low(SURE) > rounding


def _moving(found: Found) -> Iterator[str]:
    """Sentences on what was still changing at the end of training."""
    rise, r_hat = found.get("bound_rise"), found.get("r_hat")
    if rise and rise.value > RISE and rise.low() > 0:
        yield f"it still rose by {shown(rise)} {rise.unit} {rise.note or 'late in training'}"
    move = found.get("still_to_move")
    if move and move.value > MOVE:
        yield f"a mean or an sd has {move.value:.2f} guide sds still to move (limit {MOVE})"
    if r_hat and r_hat.value > R_HAT:
        yield f"R-hat of the iterates is {r_hat.value:.2f} (limit {R_HAT})"


def _still(found: Found) -> bool:
    return "bound_rise" in found and found["bound_rise"].high() < RISE


def _seen(found: Found) -> str:
    if "bound_rise" not in found:
        return ""
    return f": late rise {shown(found['bound_rise'])} {found['bound_rise'].unit}, limit {RISE}"
