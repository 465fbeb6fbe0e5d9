"""The standard error of a share, which a share of 0 or 1 has too."""


def share_error(share: float, trials: int) -> float:
    """Binomial standard error at (k + 1/2) / (n + 1), for k = n * share of n trials.

    The half success and half failure that are added are Jeffreys' prior: at 0 or 1, where the
    plain sqrt(p (1 - p) / n) is 0, this is about 0.7 / n.

    Args:
        share: of the trials, in 0..1.
        trials: how many there are, n.

    Source: Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion".
    """
    centre = (trials * share + 0.5) / (trials + 1)
    return (centre * (1 - centre) / (trials + 1)) ** 0.5
