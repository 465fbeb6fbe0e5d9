"""May the guide's own draws be trusted as draws from the posterior?

A mean is off if its error is above 0.2 posterior sds, an sd if its error is above 25 % (both are
choices): of latents that rows share the mean and the sd that are off the most, of latents of rows
the root mean square. The guide's moments are compared, in this order, with exact or reference
moments; with particles that start from the prior and may find modes that the guide does not cover;
and with its own draws under smoothed weights, if these can be trusted. An error is above or below
a limit if it is so by two standard errors.

- If the gap to the exact evidence is below 0.02 nats, the answer is "yes": by the transport
  inequality W_2(q, p)^2 <= 2 s^2 KL(q || p), the mean of a normal posterior is then off by at most
  0.2 sds and its sd by at most 20 %. Source: Talagrand 1996, "Transportation cost for Gaussian and
  other product measures". By Pinsker's inequality no probability is off by more than 0.1.
- If the weights fail, nothing else is known, and the gap is above 1 nat, the answer is "no": two
  normals with a KL of 1 nat have means that are 1.4 sds apart.
- Probability mass m that the guide misses moves a mean by up to sqrt(m) posterior sds, which is
  0.2 for m = 0.04, and raises the evidence found from the prior by about m nats.
- The mean of a label is a probability. It is off if its error is above 0.1, since a bit of
  probability 1/2 has an sd of 1/2.
- The answer is "no" also for a p-value below 0.001 of a two-sample test or below 0.01 of SBC or
  VSBC, for an interval whose coverage is off by more than 0.1, if a tenth of rows are off, and if
  draws are not finite.
"""

from collections.abc import Iterator

from zoo.evaluation.answers import NO, SURE, UNSURE, YES, Answer, Found, Skipped, shown, untried
from zoo.evaluation.verdict_bound import NO_STEPS
from zoo.evaluation.verdict_evidence import TIGHT, falls_short, known_gap, more_evidence
from zoo.metrics.moment_shift import ALL_DISCRETE, MEAN_OFF, NO_MEANS, NOT_FINITE, SD_OFF

LARGE_GAP = 1.0  # nats
SMALLEST_P = {"mmd_p": 0.001, "sbc_p": 0.01, "vsbc_p": 0.01}
COVERAGE_OFF = 0.1
SHARE_OF_ROWS_OFF = 0.1
PROBABILITY_OFF = MEAN_OFF / 2  # the largest sd of a bit is 1/2
BLIND = "as far as the guide's own draws can see"


def guide_draws(
    found: Found, weights: Answer, skipped: Skipped | None = None, *, is_wrong: bool = False
) -> Answer:
    """The answer about the guide's draws, from the metrics that were computed.

    Args:
        found: name -> metric.
        weights: the answer about the weights.
        skipped: name -> why a metric could not be computed.
        is_wrong: is a density wrong, so that only metrics of the draws alone can be used?
    """
    exact = _moments(found, "posterior_mean_worst", "posterior_sd_worst", "the exact ones")
    if exact is None:
        exact = _moments(found, "posterior_mean_error", "posterior_sd_error", "the exact ones")
    exact = exact or _probabilities(found)
    prior = _moments(found, "smc_mean_shift", "smc_sd_shift", "those of SMC from the prior")
    own = _moments(found, "psis_mean_shift", "psis_sd_shift", "those of the smoothed weights")
    if not is_wrong and "smc_excess" in found and falls_short(found["smc_excess"]):
        prior = None
    if weights.answer == NO or "k_hat" not in found:
        own = None
    seen = [one for one in (exact, prior, own) if one]
    wrong = [one.reason for one in seen if one.answer == NO] + list(_alarms(found))
    if NOT_FINITE in (skipped or {}).values():
        wrong.append(NOT_FINITE)
    if wrong:
        return Answer(NO, "; ".join(wrong))
    if "gap" in found and not is_wrong and found["gap"].high() < TIGHT:
        return Answer(YES, f"gap {shown(found['gap'])} {found['gap'].unit} to the exact evidence")
    for one in (exact, prior):
        if one and one.answer == YES:
            return one
    if own and own.answer == YES and weights.answer == YES:
        if prior is None:
            return Answer(YES, f"{own.reason}, {BLIND}")
        if _agrees(found):
            return Answer(YES, f"{own.reason}; SMC from the prior finds nothing else")
    return _unsure(found, weights, seen, skipped or {})


def _unsure(found: Found, weights: Answer, seen: list[Answer], skipped: Skipped) -> Answer:
    """The answer if no comparison of moments decides it."""
    gap = known_gap(found)
    if weights.answer == NO and gap and gap.low() > LARGE_GAP:
        return Answer(NO, f"the weights fail, and the gap is {shown(gap)} {gap.unit} at least")
    if seen:
        reasons = [one.reason for one in seen]
        if all(one.answer == YES for one in seen):
            reasons.append("which the weights are not sure enough to show")
        return Answer(UNSURE, "; ".join(reasons), "more draws")
    why = f"weights: {weights.answer}"
    if weights.answer == YES:
        why = "no moments to compare"
        why += f": {skipped['psis_mean_shift']}" if "psis_mean_shift" in skipped else ""
    width = f"; gap {shown(gap)} {gap.unit}" if gap else ""
    return Answer(UNSURE, f"{why}{width}", _to_settle(found, weights, skipped))


def _to_settle(found: Found, weights: Answer, skipped: Skipped) -> str:
    """What to ask for that gives moments or an evidence not from the weights, quickest first."""
    quick = ["from_prior"] if weights.answer == NO else ["psis", "from_prior"]
    slow = ["smc", "ais"]
    if skipped.get("smc_mean_shift") in (ALL_DISCRETE, NO_MEANS):
        slow = []
    asks = (untried(names, found, skipped) for names in (quick, ["posterior"], slow))
    stepped = skipped.get("bound_rise") != NO_STEPS
    return next(filter(None, asks), "more steps, or another guide" if stepped else "another guide")


def _moments(found: Found, mean: str, sd: str, source: str) -> Answer | None:
    """The answer by comparing the guide's mean and sd with one source; None if it is missing."""
    if mean not in found or sd not in found:
        return None
    shift, spread = found[mean], found[sd]
    if shift.unit == "probability":
        return None
    percent = f"{100 * spread.value:.2g} +- {100 * spread.se:.1g} %"
    reason = f"mean {shown(shift)} sd and sd {percent} away from {source}"
    if shift.low() > MEAN_OFF or spread.low() > SD_OFF:
        return Answer(NO, reason)
    if shift.high() < MEAN_OFF and spread.high() < SD_OFF:
        return Answer(YES, reason)
    return Answer(UNSURE, f"{reason}, near the limits of {MEAN_OFF} sd and {SD_OFF:.0%}")


def _probabilities(found: Found) -> Answer | None:
    """The answer by comparing the guide's probabilities of labels with the exact ones."""
    error = found.get("posterior_mean_error")
    if error is None or error.unit != "probability":
        return None
    reason = f"probabilities off by {shown(error)} from the exact ones"
    if error.low() > PROBABILITY_OFF:
        return Answer(NO, reason)
    if error.high() < PROBABILITY_OFF:
        return Answer(YES, reason)
    return Answer(UNSURE, f"{reason}, near the limit of {PROBABILITY_OFF}")


def _agrees(found: Found) -> bool:
    """Are the shifts from SMC within the limits, without regard to their errors?"""
    return found["smc_mean_shift"].value < MEAN_OFF and found["smc_sd_shift"].value < SD_OFF


def _alarms(found: Found) -> Iterator[str]:
    """Sentences on metrics each of which shows by itself that the draws are wrong."""
    yield from more_evidence(found)
    share = found.get("psis_off_share")
    if share and share.low() > SHARE_OF_ROWS_OFF:
        yield f"smoothed weights move the moments of {share.value:.0%} of rows"
    for name, limit in SMALLEST_P.items():
        if name in found and found[name].value < limit:
            yield f"{name} = {found[name].value:.1g}"
    for level in (50, 90):
        inside = found.get(f"coverage_{level}")
        if inside and abs(inside.value - level / 100) - SURE * inside.se > COVERAGE_OFF:
            yield f"intervals of {level} % cover {inside.value:.0%}"
