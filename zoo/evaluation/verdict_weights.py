"""May the importance weights be trusted, and so the evidence and moments made of them?

- k-hat below min(1 - 1 / log10 S, 0.7) for S draws, by two of its own standard errors; above by
  two is "no", between is "cannot tell". Source: Vehtari et al. 2024, "Pareto smoothed importance
  sampling".
- An effective sample size of 100: a mean is then known to a tenth of a posterior sd. Source: Kong
  1992, "A note on importance sampling using standardized weights".
- No weight above a tenth of all. Source: Chatterjee & Diaconis 2018, "The sample size required in
  importance sampling", whose rule to stop is that the largest weight's share is small; a tenth is
  a choice.
- Where each row has weights of its own, 5 % of rows above the limit is "no" (a choice), and none
  is "yes".
"""

import math
from collections.abc import Iterator

from zoo.evaluation.answers import (
    LIKELY,
    NO,
    UNSURE,
    YES,
    Answer,
    Found,
    Skipped,
    high,
    low,
    shown,
    untried,
)
from zoo.metrics.weight_diagnostics import TIED, k_hat_threshold

FEWEST = 100  # effective draws
LARGEST = 0.1  # of all weights
BAD_ROWS = 0.05  # of rows
NEEDED = ("k_hat", "ess")
SUM = "objective='enumerate' with a guide that leaves the labels to the sum"


def weights(found: Found, draws: int, skipped: Skipped | None = None) -> Answer:
    """The answer for metrics from that many draws for each row.

    Args:
        found: name -> metric.
        draws: draws from the guide for each row.
        skipped: name -> why a metric could not be computed.
    """
    missing = [name for name in NEEDED if name not in found]
    bad = "; ".join(_faults(found, draws))
    if bad:
        return Answer(NO, bad)
    if missing:
        return _unknown(missing, found, draws, skipped or {})
    reason = "; ".join(_said(found, draws))
    doubt = "; ".join(_doubts(found, draws))
    if doubt:
        return Answer(UNSURE, f"{reason}; {doubt}", f"draws={10 * draws}")
    return Answer(YES, reason)


def _unknown(missing: list[str], found: Found, draws: int, skipped: Skipped) -> Answer:
    """The answer without k-hat or ESS, with why they are missing."""
    whys = list(dict.fromkeys(skipped[name] for name in missing if name in skipped))
    reason = f"no {' and no '.join(missing)}" + "".join(f": {why}" for why in whys)
    if any(name not in skipped for name in missing):
        return Answer(UNSURE, reason, "metrics=['weights']")
    if TIED in skipped.get("k_hat", ""):
        return Answer(UNSURE, reason, untried(["exact"], found, skipped) or SUM)
    if "ess" in found:
        return Answer(UNSURE, reason, f"draws={10 * draws}")
    return Answer(UNSURE, reason, "another guide, unless the reason names a way out")


def _said(found: Found, draws: int) -> Iterator[str]:
    yield f"k-hat {shown(found['k_hat'])} (limit {k_hat_threshold(draws):.2f})"
    yield f"ESS {found['ess'].value:.0f} of {draws}"


def _faults(found: Found, draws: int) -> Iterator[str]:
    limit = k_hat_threshold(draws)
    if "k_hat_share" in found and low(found["k_hat_share"]) > BAD_ROWS and _has_rows(found):
        yield f"k-hat above {limit:.2f} for {100 * found['k_hat_share'].value:.3g} % of rows"
    elif "k_hat" in found and low(found["k_hat"]) > limit:
        yield f"k-hat {shown(found['k_hat'])} above {limit:.2f}"
    if "ess" in found and draws >= 10 * FEWEST and high(found["ess"]) < FEWEST:
        yield f"ESS {found['ess'].value:.3g} of {draws}"
    if "largest_weight" in found and low(found["largest_weight"]) > LARGEST:
        yield f"the largest weight is {found['largest_weight'].value:.0%} of all"


def _doubts(found: Found, draws: int) -> Iterator[str]:
    k, limit = found["k_hat"], k_hat_threshold(draws)
    if not math.isfinite(k.value):
        yield "no tail to fit k-hat to"
    elif high(k, LIKELY) >= limit:
        yield "k-hat is too near its limit for so many draws"
    if low(found["ess"]) < FEWEST:
        yield f"fewer than {FEWEST} effective draws"
    if "largest_weight" in found and high(found["largest_weight"]) > LARGEST:
        yield "the largest weight may be a tenth of all"
    if "k_hat_share" in found and found["k_hat_share"].value > 0 and _has_rows(found):
        yield f"k-hat above the limit for {100 * found['k_hat_share'].value:.3g} % of rows"


def _has_rows(found: Found) -> bool:
    """A single weight's share has no error: it is 0 or 1, and k-hat itself says more."""
    return found["k_hat_share"].se > 0
