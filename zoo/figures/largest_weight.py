"""The share of the largest importance weight in the sum of all of them.

Near 1 / S for S draws where the weights are even; near 1 one draw decides everything that is
computed from them, whatever the other figures say.
Source: Chatterjee & Diaconis 2018, "The sample size required in importance sampling".
"""

import torch
from torch import Tensor

from zoo.figures.figure import PerRow


def largest_weight(log_w: Tensor) -> PerRow:
    """max_s w_s / sum_s w_s of each row. It describes the draws at hand, so it has no error.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    share = (log_w.max(0).values - log_w.logsumexp(0)).exp()
    return share, torch.zeros_like(share)
