"""Control variates with parameters of their own, which learn to lower the variance."""

import torch
from torch import Tensor

from zoo.objectives.log_ratio import Values
from zoo.traces import add_up


def self_tuned(gradient: Values, logits: Values) -> Tensor:
    """A surrogate whose gradient in the logits is the one given, and which lowers its variance.

    Args:
        gradient: by site, a function of the estimator's own parameters and of nothing else.
        logits: of the guide, same shapes.

    Returns:
        Shape (); its gradient in the estimator's own parameters is minus that of the mean square
        of `gradient`. As the mean of `gradient` does not depend on them, that is its variance.
    """
    chosen = add_up((gradient[name].detach() * logits[name]).sum() for name in logits)
    square = torch.cat([value.reshape(-1) for value in gradient.values()]).square().mean()
    return chosen - square
