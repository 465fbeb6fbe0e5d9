"""Is the bound what it should be: nothing impossible, and no longer rising?

Impossible, beyond three standard errors and rounding: a bound or an estimate of log p(x) above the
exact evidence, KL(q || p) below 0, KL from the prior below the mutual information (it is that plus
a KL). Each says that a density or a log-determinant is wrong, and needs no threshold.

Rising: between the two halves of the last half of training the bound rose by more than 0.1 nats (a
row where rows have latents of their own), beyond two standard errors. It is still where it rose by
less than that even with two errors added; a test whose error is too large for either cannot tell.
0.1 nats is a choice; a gap to the exact evidence below 0.02 nats needs no such test.

Where the model has no parameters to train, log p(x) stays as it is, and training can raise the
bound by no more than the gap: to the exact evidence, or to the estimate of weights that may be
trusted and what particles from the prior find beyond it. A gap below 0.1 nats, with two errors
added, then says more than the losses, which are noisier.
Sources: Dhaka et al. 2020, "Robust, accurate stochastic optimization for variational inference";
Hoffman & Johnson 2016, "ELBO surgery" (KL and the mutual information).
"""

import math
from collections.abc import Iterator

from zoo.evaluation.answers import (
    NO,
    SURE,
    UNSURE,
    YES,
    Answer,
    Found,
    Skipped,
    difference,
    high,
    low,
    shown,
    untried,
)
from zoo.metrics import Metric
from zoo.results.convergence import R_HAT, RISE

TIGHT = 0.02  # nats
ROUNDING = 1e-5  # relative, of numbers in single precision
SHORT = 0.1  # nats by which annealing may fall short
ALL_THAT_IS_LEFT = "which is all that training can still gain, as the model has no parameters"


def bound(
    found: Found, weights: Answer, skipped: Skipped | None = None, *, trains_model: bool = True
) -> Answer:
    """The answer where no value is impossible.

    Args:
        found: name -> metric.
        weights: the answer about the weights.
        skipped: name -> why a metric could not be computed.
        trains_model: has the model parameters of its own that were trained?
    """
    limited = not trains_model and _little_left(found, weights)
    if limited and _checked(found):
        return Answer(YES, f"{_where(found)}, {ALL_THAT_IS_LEFT}; {_checked(found)}")
    moving = [] if limited else list(_moving(found))
    if moving:
        return Answer(NO, "; ".join(moving))
    if "elbo" not in found and "gap" not in found:
        return Answer(UNSURE, "no bound was computed", "metrics=['elbo', 'convergence']")
    where = _where(found)
    if "gap" in found and high(found["gap"]) < TIGHT:
        return Answer(YES, where)
    checked, still = _checked(found), _still(found)
    if checked and weights.answer == YES and _is_tight(found):
        return Answer(YES, f"{where}; {checked}")
    doubts = [] if checked else ["nothing to check its values against"]
    if not still and not limited:
        doubts += ["no sign that it has stopped rising" + _seen(found)]
    if not doubts:
        return Answer(YES, f"{where}; {checked}; no rise above {RISE} nats")
    asks = [] if checked else [_to_check(found, skipped or {})]
    asks += [] if still or limited else ["more steps"]
    return Answer(UNSURE, "; ".join([where, *doubts]), " and ".join(filter(None, asks)))


def _to_check(found: Found, skipped: Skipped) -> str:
    quick = untried(["weights", "from_prior"], found, skipped)
    return quick or untried(["ais"], found, skipped) or untried(["smc"], found, skipped)


def _where(found: Found) -> str:
    if "gap" in found:
        return f"{shown(found['gap'])} {found['gap'].unit} below the exact evidence"
    if "log_evidence" in found and "elbo" in found:
        width = difference(found["log_evidence"], found["elbo"])
        return f"{shown(width)} {width.unit} below the importance-sampled log p(x)"
    return f"ELBO {shown(found['elbo'])} {found['elbo'].unit}"


def _little_left(found: Found, weights: Answer) -> bool:
    """Is less left to gain than counts as a rise?"""
    if "gap" in found:
        return high(found["gap"]) < RISE
    if weights.answer != YES or "log_evidence" not in found or "elbo" not in found:
        return False
    width, more = difference(found["log_evidence"], found["elbo"]), found.get("smc_excess")
    if more is None:
        return high(width) < RISE
    whole = width.value + max(0.0, more.value)
    return high(Metric(whole, math.hypot(width.se, more.se), width.unit)) < RISE


def _is_tight(found: Found) -> bool:
    """Is it close to the evidence that the weights and, if they were run, particles find?"""
    if "log_evidence" not in found or "elbo" not in found:
        return False
    width = difference(found["log_evidence"], found["elbo"])
    excess = found["smc_excess"].value if "smc_excess" in found else 0.0
    return high(width) < TIGHT and excess < TIGHT


def impossible(found: Found) -> Iterator[str]:
    """Values that cannot be, if the densities of model and guide are what they say."""
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
    if "kl" in found and "mutual_information" in found:
        short = difference(found["mutual_information"], found["kl"])
        if _beyond(short, None):
            yield f"KL from the prior lies {shown(short)} nats below the mutual information"


def _negative(metric: Metric) -> Metric:
    return Metric(-metric.value, metric.se, metric.unit)


def _beyond(excess: Metric, level: Metric | None) -> bool:
    """Is it above 0 by more than its error and rounding?"""
    rounding = ROUNDING * max(1.0, abs(level.value) if level else 1.0)
    return low(excess, SURE) > rounding


def _moving(found: Found) -> Iterator[str]:
    rise, r_hat = found.get("bound_rise"), found.get("r_hat")
    if rise and rise.value > RISE and low(rise) > 0:
        yield f"it still rose by {shown(rise)} {rise.unit} {rise.note or 'late in training'}"
    if r_hat and r_hat.value > R_HAT:
        yield f"R-hat of the iterates is {r_hat.value:.2f} (limit {R_HAT})"


def _still(found: Found) -> bool:
    return "bound_rise" in found and high(found["bound_rise"]) < RISE


def _seen(found: Found) -> str:
    if "bound_rise" not in found:
        return ""
    return f": late rise {shown(found['bound_rise'])} {found['bound_rise'].unit}, limit {RISE}"


def _checked(found: Found) -> str:
    """What the values were held against; "" if nothing."""
    if "exact_log_evidence" in found:
        return "not above the exact evidence"
    if "smc_excess" in found and high(found["smc_excess"], SURE) > -SHORT:
        return "not above the evidence found from the prior"
    for name in ("ais", "smc"):
        if name in found and "log_evidence" in found:
            if high(difference(found[name], found["log_evidence"]), SURE) > -SHORT:
                return f"not above the evidence of {name}"
    if "kl" in found and "mutual_information" in found:
        return "KL not below the mutual information"
    return ""
