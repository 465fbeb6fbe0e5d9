"""The family of a prior: a distribution without what only shapes, repeats or masks it."""

from typing import Any

from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch.distributions import Independent


def without_wrappers(fn: Any) -> Any:
    """The distribution inside `to_event`, `expand` and `mask`."""
    while isinstance(fn, (Independent, ExpandedDistribution, MaskedDistribution)):
        fn = fn.base_dist
    return fn
