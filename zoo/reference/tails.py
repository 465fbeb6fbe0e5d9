"""Are the tails of the draws light enough for the errors of a mean and an sd to be trusted?

A generalised Pareto distribution is fitted to the tail of h(x): for the mean h = x, both tails;
for the standard deviation h = (x - mean)^2, whose k is in the limit twice that of x. The estimate
has an infinite variance for k > 1/2, and above 0.7 its Monte Carlo standard error cannot be
trusted, even where R-hat and the effective sample sizes are good.

Source: Vehtari et al. 2024, "Pareto smoothed importance sampling" (k of Monte Carlo estimates,
length of the tail). Departs from the paper: no draw is smoothed.
"""

import math

import torch
from torch import Tensor

from zoo.metrics.pareto import FEWEST_EXCEEDANCES, fit_pareto
from zoo.reference.record import Scalars

K_OF_UNIFORM = -1.0  # also that of a constant


def tail_shapes(draws: Scalars, ess_tail: Scalars) -> dict[str, Scalars]:
    """Tables "k_mean" and "k_sd": site -> Pareto k-hat of each scalar, of one draw's shape.

    Args:
        draws: site -> draws of all chains, shape (draws, *shape).
        ess_tail: site -> their effective size in the tails, see :func:`tail_length`.
    """
    found: dict[str, Scalars] = {"k_mean": {}, "k_sd": {}}
    for site, value in draws.items():
        sizes = ess_tail[site].reshape(-1).tolist()
        columns = value.flatten(1).double() if value.dim() > 1 else value.double()[:, None]
        each = [_shapes(x, size) for x, size in zip(columns.T, sizes, strict=True)]
        for name, k in zip(found, torch.tensor(each).double().T, strict=True):
            found[name][site] = k.reshape(value.shape[1:])
    return found


def tail_length(draws: int, effective: float) -> int:
    """Number of draws in a tail, min(S / 5, 3 sqrt(S / r)), with r the relative efficiency.

    This is the share of S correlated draws that 3 sqrt(S r) is of S r independent ones, so the
    draws need no thinning.

    Args:
        draws: S.
        effective: effective sample size in the tails, S r; where it is above S, S is used.
    """
    return math.ceil(min(draws / 5, 3 * draws / min(effective, draws) ** 0.5))


def _shapes(x: Tensor, effective: float) -> tuple[float, float]:
    """Shapes for one scalar's mean and sd, x (draws,); NaN where a tail cannot be fitted."""
    if not (x.isfinite().all() and effective > 0):
        return math.nan, math.nan
    count = tail_length(len(x), effective)
    both = torch.stack([x, -x], -1)
    square = (x - x.mean()).square()
    return float(_upper(both, count).max()), float(_upper(square[:, None], count))


def _upper(h: Tensor, count: int) -> Tensor:
    """Shape k of the upper tail of each column, h (draws, columns); -1 where it is constant."""
    if count < FEWEST_EXCEEDANCES:
        return h.new_full(h.shape[1:], math.nan)
    ordered = h.sort(0).values
    cut = ordered[-count - 1]
    k, _ = fit_pareto(ordered[-count:] - cut)
    return k.where(ordered[-1] > cut, K_OF_UNIFORM)
