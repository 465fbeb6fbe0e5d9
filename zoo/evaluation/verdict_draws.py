"""May the guide's own draws be trusted as draws from the posterior?

Off is a mean by more than 0.2 posterior sds or an sd by more than 25 % (choices). The guide's
moments are set, in this order, against exact or reference ones; against particles that start from
the prior, which may find what the guide never visits; and against its own draws with smoothed
weights, where these may be trusted. Within is within by two standard errors, and off likewise.

- A gap of 0.02 nats to the exact evidence is enough by itself: by the transport inequality
  W_2(q, p)^2 <= 2 s^2 KL(q || p) a normal posterior's mean is then off by at most 0.2 sds, its sd
  by at most 20 %. Source: Talagrand 1996, "Transportation cost for Gaussian and other product
  measures". By Pinsker's inequality no probability is off by more than 0.1.
- A gap of 1 nat, where weights fail and nothing else is known, is "no": two normals that far apart
  have means 1.4 sds apart.
- Mass m that the guide misses moves a mean by up to sqrt(m) posterior sds, 0.2 for m = 0.04. It
  raises the evidence found from the prior by about m nats.
- Of labels, whose means are probabilities, off is a probability by more than 0.1, as a bit of
  probability 1/2 has an sd of 1/2.
- p-values below 0.001 of a two-sample test, below 0.01 of SBC and VSBC; an interval whose coverage
  is off by more than 0.1; a tenth of rows that are off.
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
from zoo.evaluation.verdict_bound import SHORT, TIGHT
from zoo.metrics import Metric
from zoo.metrics.moment_shift import LABELS, MEAN_OFF, SD_OFF

LARGE = 1.0  # nats
PSIS = "psis_mean_shift"
MISSED = MEAN_OFF**2
DIFFERENT, MISCALIBRATED = 0.001, 0.01  # p-values
COVERAGE_OFF, ROWS_OFF = 0.1, 0.1
PROBABILITY_OFF = MEAN_OFF / 2  # the largest sd of a bit is 1/2
BLIND = "as far as the guide's own draws can see"
ELSE = "more steps, or another guide"


def guide_draws(
    found: Found, weights: Answer, skipped: Skipped | None = None, *, is_wrong: bool = False
) -> Answer:
    """The answer from whatever was computed.

    Args:
        found: name -> metric.
        weights: the answer about the weights.
        skipped: name -> why a metric could not be computed.
        is_wrong: is a density wrong, so that only what is made of draws alone counts?
    """
    exact = _moments(found, "posterior_mean_error", "posterior_sd_error", "the exact ones")
    exact = exact or _probabilities(found)
    prior = _moments(found, "smc_mean_shift", "smc_sd_shift", "those of SMC from the prior")
    own = _moments(found, "psis_mean_shift", "psis_sd_shift", "those of the smoothed weights")
    if not is_wrong and _fell_short(found):
        prior = None
    if weights.answer == NO or "k_hat" not in found:
        own = None
    seen = [one for one in (exact, prior, own) if one]
    wrong = [one.reason for one in seen if one.answer == NO] + list(_alarms(found))
    if wrong:
        return Answer(NO, "; ".join(wrong))
    if "gap" in found and not is_wrong and high(found["gap"]) < TIGHT:
        return Answer(YES, f"gap {shown(found['gap'])} {found['gap'].unit} to the exact evidence")
    for one in (exact, prior):
        if one and one.answer == YES:
            return one
    if own and own.answer == YES and prior is None:
        return Answer(YES, f"{own.reason}, {BLIND}")
    if own and own.answer == YES and _agrees(found):
        return Answer(YES, f"{own.reason}; SMC from the prior finds nothing else")
    return _unsure(found, weights, seen, skipped or {})


def _unsure(found: Found, weights: Answer, seen: list[Answer], skipped: Skipped) -> Answer:
    gap = _gap(found)
    if weights.answer == NO and gap and low(gap) > LARGE:
        return Answer(NO, f"the weights fail, and the gap is {shown(gap)} {gap.unit} at least")
    if seen:
        return Answer(UNSURE, "; ".join(one.reason for one in seen), "more draws")
    why = f"weights: {weights.answer}"
    if weights.answer == YES:
        why = "no moments to compare"
        why += f": {skipped[PSIS]}" if PSIS in skipped else ""
    width = f"; gap {shown(gap)} {gap.unit}" if gap else ""
    return Answer(UNSURE, f"{why}{width}", _to_settle(found, weights, skipped))


def _to_settle(found: Found, weights: Answer, skipped: Skipped) -> str:
    """What has moments or an evidence of its own, the quickest first."""
    quick = ["from_prior"] if weights.answer == NO else ["psis", "from_prior"]
    slow = [] if skipped.get("smc_mean_shift") == LABELS else ["smc", "ais"]
    tiers = (quick, ["posterior"], slow)
    return next(filter(None, (untried(tier, found, skipped) for tier in tiers)), ELSE)


def _moments(found: Found, mean: str, sd: str, source: str) -> Answer | None:
    """How the guide's mean and sd compare with those of one source; None if it is missing."""
    if mean not in found or sd not in found:
        return None
    shift, spread = found[mean], found[sd]
    if shift.unit == "probability":
        return None
    percent = f"{100 * spread.value:.2g} +- {100 * spread.se:.1g} %"
    reason = f"mean {shown(shift)} sd and sd {percent} away from {source}"
    if low(shift) > MEAN_OFF or low(spread) > SD_OFF:
        return Answer(NO, reason)
    if high(shift) < MEAN_OFF and high(spread) < SD_OFF:
        return Answer(YES, reason)
    return Answer(UNSURE, f"{reason}, near the limits of {MEAN_OFF} sd and {SD_OFF:.0%}")


def _probabilities(found: Found) -> Answer | None:
    """How the guide's probabilities of labels compare with the exact ones."""
    error = found.get("posterior_mean_error")
    if error is None or error.unit != "probability":
        return None
    reason = f"probabilities off by {shown(error)} from the exact ones"
    if low(error) > PROBABILITY_OFF:
        return Answer(NO, reason)
    if high(error) < PROBABILITY_OFF:
        return Answer(YES, reason)
    return Answer(UNSURE, f"{reason}, near the limit of {PROBABILITY_OFF}")


def _agrees(found: Found) -> bool:
    """Are the shifts from the prior within the limits too, though their errors are large?"""
    return found["smc_mean_shift"].value < MEAN_OFF and found["smc_sd_shift"].value < SD_OFF


def _fell_short(found: Found) -> bool:
    """Did the particles find less mass than the guide's weights, and so know less than they?"""
    if "smc_excess" not in found:
        return False
    return not high(found["smc_excess"], SURE) > -SHORT


def _alarms(found: Found) -> Iterator[str]:
    """Whatever says by itself that the draws are wrong."""
    yield from more_evidence(found)
    share = found.get("psis_off_share")
    if share and low(share) > ROWS_OFF:
        yield f"smoothed weights move the moments of {share.value:.0%} of rows"
    for name, limit in (
        ("mmd_p", DIFFERENT),
        ("sbc_p", MISCALIBRATED),
        ("vsbc_p", MISCALIBRATED),
    ):
        if name in found and found[name].value < limit:
            yield f"{name} = {found[name].value:.1g}"
    for level in (50, 90):
        inside = found.get(f"coverage_{level}")
        if inside and abs(inside.value - level / 100) - SURE * inside.se > COVERAGE_OFF:
            yield f"intervals of {level} % cover {inside.value:.0%}"


def more_evidence(found: Found) -> Iterator[str]:
    """Whatever started elsewhere and found more than the guide's weights did."""
    for name, metric in _excesses(found):
        if low(metric, SURE) > MISSED:
            yield f"{name} finds {shown(metric)} {metric.unit} more evidence than the guide"


def _excesses(found: Found) -> Iterator[tuple[str, Metric]]:
    if "smc_excess" in found:
        yield "SMC from the prior", found["smc_excess"]
    for name in ("ais", "smc"):
        if name in found and "log_evidence" in found:
            yield name, difference(found[name], found["log_evidence"])


def _gap(found: Found) -> Metric | None:
    """To the exact evidence, or to the estimate from the weights, which is low if anything."""
    if "gap" in found:
        return found["gap"]
    if "log_evidence" in found and "elbo" in found:
        gap = difference(found["log_evidence"], found["elbo"])
        return gap if math.isfinite(gap.value) else None
    return None
