"""Upper bounds of log p(x): the guide brings one down; the model follows another bound.

A model that brought an upper bound down would make its own data improbable. Its parameters follow
the importance-weighted bound of the same K draws, whose gradient is sum_k v_k grad log p(x, z_k),
v_k = w_k / sum_j w_j.
"""

from torch import Tensor

from zoo.traces import Weights, with_gradient


def above(weights: Weights, value: Tensor, of_guide: Tensor) -> Tensor:
    """The loss of an upper bound, which is the bound itself; the draws are constants.

    Args:
        weights: of the draws.
        value: the bound, summed over rows, nats, shape ().
        of_guide: what has the bound's gradient in the guide's parameters, and none in the
            model's, shape ().
    """
    v = weights.log_w.detach().softmax(0)
    surrogate = of_guide - (v * weights.log_p).sum()
    total = weights.scale * value + weights.outside
    return with_gradient(total, weights.scale * surrogate - weights.outside)
