"""May the importance weights be trusted, and so the evidence and the moments computed from them?

The answer is "yes" if all of these hold:

- k-hat is below min(1 - 1 / log10 S, 0.7) for S draws, by two of its standard errors. Above the
  limit by two it is "no", between the two "cannot tell". Source: Vehtari et al. 2024, "Pareto
  smoothed importance sampling".
- The effective sample size is at least 100, so that a mean has a standard error of at most a tenth
  of a posterior sd. Source: Kong 1992, "A note on importance sampling using standardized weights".
- The largest weight is at most a tenth of the sum of all (a choice). Source: Chatterjee & Diaconis
  2018, "The sample size required in importance sampling", who stop when the share of the largest
  weight is small.
- Where each row has weights of its own, no row has a k-hat above the limit. Above 5 % of rows (a
  choice) the answer is "no".
"""

import math
from collections.abc import Iterator

from zoo.evaluation.answers import NO, UNSURE, YES, Answer, Found, Skipped, shown, untried
from zoo.metrics.weight_diagnostics import TIED, k_hat_threshold

FEWEST_EFFECTIVE_DRAWS = 100
LARGEST_WEIGHT = 0.1  # share of the sum of all weights
SHARE_OF_ROWS_OFF = 0.05
NEEDED = ("k_hat", "ess")
SUM_THEM_OUT = "objective='enumerate' with a guide that leaves the labels to the sum"


def weights(found: Found, draws: int, skipped: Skipped | None = None) -> Answer:
    """The answer about the weights, from the metrics that were computed.

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
        return Answer(UNSURE, reason, untried(["exact"], found, skipped) or SUM_THEM_OUT)
    if "ess" in found:
        return Answer(UNSURE, reason, f"draws={10 * draws}")
    return Answer(UNSURE, reason, "another guide, unless the reason names a way out")


def _said(found: Found, draws: int) -> Iterator[str]:
    """The values of k-hat and of the effective sample size."""
    yield f"k-hat {shown(found['k_hat'])} (limit {k_hat_threshold(draws):.2f})"
    yield f"ESS {found['ess'].value:.0f} of {draws}"


def _faults(found: Found, draws: int) -> Iterator[str]:
    """Sentences on metrics that are clearly beyond their limit."""
    limit = k_hat_threshold(draws)
    share = found.get("k_hat_share")
    if share and share.low() > SHARE_OF_ROWS_OFF and _has_rows(found):
        yield f"k-hat above {limit:.2f} for {100 * share.value:.3g} % of rows"
    elif "k_hat" in found and found["k_hat"].low() > limit:
        yield f"k-hat {shown(found['k_hat'])} above {limit:.2f}"
    many = draws >= 10 * FEWEST_EFFECTIVE_DRAWS
    if "ess" in found and many and found["ess"].high() < FEWEST_EFFECTIVE_DRAWS:
        yield f"ESS {found['ess'].value:.3g} of {draws}"
    if "largest_weight" in found and found["largest_weight"].low() > LARGEST_WEIGHT:
        yield f"the largest weight is {found['largest_weight'].value:.0%} of all"


def _doubts(found: Found, draws: int) -> Iterator[str]:
    """Sentences on metrics that may be beyond their limit."""
    k, limit = found["k_hat"], k_hat_threshold(draws)
    if not math.isfinite(k.value):
        yield "no tail to fit k-hat to"
    elif k.high() >= limit:
        yield "k-hat is too near its limit for so many draws"
    if found["ess"].low() < FEWEST_EFFECTIVE_DRAWS:
        maybe = "perhaps " if found["ess"].value >= FEWEST_EFFECTIVE_DRAWS else ""
        yield f"{maybe}fewer than {FEWEST_EFFECTIVE_DRAWS} effective draws"
    if "largest_weight" in found and found["largest_weight"].high() > LARGEST_WEIGHT:
        yield "the largest weight may be a tenth of all"
    if "k_hat_share" in found and found["k_hat_share"].value > 0 and _has_rows(found):
        yield f"k-hat above the limit for {100 * found['k_hat_share'].value:.3g} % of rows"


def _has_rows(found: Found) -> bool:
    """Is the share one over several rows? Of a single row it is 0 or 1, without an error."""
    return found["k_hat_share"].se > 0
