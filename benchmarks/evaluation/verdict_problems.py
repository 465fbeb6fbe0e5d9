"""Random small models whose posterior means and sds are known: what the verdict is tested on.

Every family draws its sizes, its constants and its data from a generator. The truth is a closed
form (``verdict_conjugate.py``), or the trapezoidal rule on a grid (``verdict_grids.py``).
"""

from collections.abc import Callable

import torch

from benchmarks.evaluation.verdict_conjugate import coin, normal_mean, rate, regression, shares
from benchmarks.evaluation.verdict_grids import (
    banana,
    clusters,
    funnel,
    islands,
    location_scale,
    logistic,
    schools,
    square,
)
from benchmarks.evaluation.verdict_truths import Problem

FAMILIES: dict[str, Callable[[torch.Generator], Problem]] = {
    one.__name__: one
    for one in (
        normal_mean,
        regression,
        coin,
        rate,
        shares,
        logistic,
        location_scale,
        schools,
        funnel,
        square,
        clusters,
        banana,
        islands,
    )
}
