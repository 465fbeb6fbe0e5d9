"""What the metrics say about log p(x), compared with the guide's bound and its weights.

The bound of a guide that misses probability mass m of the posterior is too low, and so is the
estimate of log p(x) from its weights: by about m nats for a small m. An estimator that starts from
the prior may find that mass, so a higher estimate shows that the guide misses something.
"""

import math
from collections.abc import Iterator

from zoo.evaluation.answers import SURE, Found, shown
from zoo.evaluation.mutual_information import may_not_exceed_kl
from zoo.metrics import Metric
from zoo.metrics.metric import difference
from zoo.metrics.moment_shift import MEAN_OFF

TIGHT = 0.02  # nats; a bound this close to log p(x) needs no other check
SHORTFALL = 0.1  # nats by which an estimate from the prior may be below that of the weights
MISSED_MASS = MEAN_OFF**2  # a mass m moves a mean by up to sqrt(m) posterior sds


def estimated_gap(found: Found) -> Metric | None:
    """The estimate of log p(x) from the weights minus the ELBO; None if one is missing."""
    if "log_evidence" not in found or "elbo" not in found:
        return None
    return difference(found["log_evidence"], found["elbo"])


def known_gap(found: Found) -> Metric | None:
    """The gap to the exact evidence, or the estimated one, which is too low if anything."""
    if "gap" in found:
        return found["gap"]
    gap = estimated_gap(found)
    return gap if gap and math.isfinite(gap.value) else None


def excesses(found: Found) -> Iterator[tuple[str, Metric]]:
    """Metric -> log p(x) by an estimator with its own draws, minus that from the weights."""
    if "smc_excess" in found:
        yield "smc_excess", found["smc_excess"]
    for name in ("ais", "smc"):
        if name in found and "log_evidence" in found:
            yield name, difference(found[name], found["log_evidence"])


def more_evidence(found: Found) -> Iterator[str]:
    """Sentences on the estimators that found clearly more evidence than the guide's weights."""
    for name, excess in excesses(found):
        if excess.low(SURE) > MISSED_MASS:
            source = "SMC from the prior" if name == "smc_excess" else name
            yield f"{source} finds {shown(excess)} {excess.unit} more evidence than the guide"


def falls_short(excess: Metric) -> bool:
    """Did the estimator find less mass than the guide's weights, so that it proves nothing?"""
    return not excess.high(SURE) > -SHORTFALL


def checked_against(found: Found) -> str:
    """What the bound and the weights were compared with; "" if nothing."""
    if "exact_log_evidence" in found:
        return "not above the exact evidence"
    for name, excess in excesses(found):
        if not falls_short(excess):
            source = "found from the prior" if name == "smc_excess" else f"of {name}"
            return f"not above the evidence {source}"
    if {"kl", "mutual_information"} <= set(found) and may_not_exceed_kl(
        found["mutual_information"]
    ):
        return "KL not below the mutual information"
    return ""
