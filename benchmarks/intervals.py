"""Intervals for the share of trials of which something holds."""

from scipy import stats

CONFIDENCE = 0.95


def upper_bound(count: int, trials: int) -> float:
    """The upper end of the exact one-sided interval for a probability (Clopper and Pearson)."""
    return float(stats.beta.ppf(CONFIDENCE, count + 1, trials - count)) if count < trials else 1.0
