"""Draws of the guide scored by f(z) = log p(x, z) - log q(z), and the loss that is made of them.

An estimator differs from its neighbours in what it takes for constant: the draws themselves
(:class:`Fixed`), the parameters (:mod:`zoo.objectives.frozen`), or neither. Draws that exist
already are scored by :mod:`zoo.objectives.scored_again`, values of an estimator's own choice by
:mod:`zoo.objectives.log_ratio`.
"""

from contextlib import ExitStack

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor

from zoo.traces import Pair, Weights, weigh, with_gradient


class Fixed(Messenger):
    """Makes every draw a constant, so that gradients go through the densities only."""

    def _pyro_post_sample(self, msg: Message) -> None:
        if not msg["is_observed"]:
            value = msg["value"]
            assert isinstance(value, Tensor)
            msg["value"] = value.detach()


def draw(pair: Pair, count: int, args: tuple, kwargs: dict, *, fixed: bool) -> Weights:
    """Scores `count` draws of the guide.

    Args:
        pair: the model and the guide.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        fixed: are the draws constants? Then the weights have `log_q_constant`.
    """
    with ExitStack() as stack:
        if fixed:
            stack.enter_context(Fixed())
        runs = pair.draw(count, args, kwargs)
    return weigh(runs, pair.latents, rowwise=pair.latents.rowwise)


def estimate(weights: Weights, value: Tensor, surrogate: Tensor) -> Tensor:
    """A loss with the value and the gradient of one's own; both count N / batch times.

    Args:
        weights: whose scale and whose terms outside of the rows to use.
        value: the bound, summed over rows, nats, shape ().
        surrogate: what has the estimator for its gradient, shape ().
    """
    total = weights.scale * value + weights.outside
    return with_gradient(-total, -(weights.scale * surrogate + weights.outside))


def estimate_mean(weights: Weights, of_guide: Tensor) -> Tensor:
    """The loss whose value is the negative mean of f over the draws: the ELBO's.

    Args:
        weights: of draws that are constants.
        of_guide: what has the estimator of the guide's gradient for its own, shape (). The
            model's gradient is the mean of that of log p(x, z).
    """
    value = weights.log_w.detach().mean(0).sum()
    return estimate(weights, value, weights.log_p.mean(0).sum() + of_guide)


def others(value: Tensor) -> Tensor:
    """For each particle the mean over all others: 1/(K-1) sum_{j != k} value_j."""
    return (value.sum(0) - value) / (len(value) - 1)
