"""The share of rows, draws or trials of which something holds, with its standard error."""

from torch import Tensor

from zoo.metrics.metric import Metric


def share(holds: Tensor, unit: str = "of rows", *, better: str = "", note: str = "") -> Metric:
    """The share of independent trials of which something holds.

    Args:
        holds: one number for each trial, (trials,): 1 or True where it holds, else 0; 1/2 where
            it half holds, as in a tie.
        unit: of the metric.
        better: of the metric.
        note: of the metric.
    """
    found = float(holds.double().mean())
    return Metric(found, share_error(found, len(holds)), unit, better, note)


def share_error(share: float, trials: int) -> float:
    """The binomial standard error of a share, which is above 0 for a share of 0 or 1 too.

    The share is first moved to (k + 1/2) / (n + 1), for k = n * share of n trials: half a success
    and half a failure are added, as by Jeffreys' prior. The plain sqrt(p (1 - p) / n) is 0 at
    p = 0 and p = 1; this one is about 0.7 / n there.

    Args:
        share: the share, in 0..1.
        trials: number of trials, n.

    Source: Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion".
    """
    centre = (trials * share + 0.5) / (trials + 1)
    return (centre * (1 - centre) / (trials + 1)) ** 0.5
