"""Exact sums over discrete latents, a block of states at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from zoo.sites.states import states_by_number

MOST_STATES = 2**20
STATES_PER_BLOCK = 1024


def blocks(variables: int, classes: int) -> Iterator[Tensor]:
    """All joint states, a block at a time, in counting order: the last variable changes fastest.

    Args:
        variables: number of variables N.
        classes: number of values k that each variable takes.

    Yields:
        Class indices 0..k-1, int64, shape (at most 1024, N); together all k^N states.

    Raises:
        ValueError: there are more than 2^20 states, raised before the first block.
    """
    if classes**variables > MOST_STATES:
        raise ValueError(
            f"Expected at most {MOST_STATES} states to enumerate; got {classes}**{variables} = "
            f"{classes**variables}. Use fewer latents, or importance sampling."
        )
    for number in torch.arange(classes**variables).split(STATES_PER_BLOCK):
        yield states_by_number(number, variables, classes)


def states(count: int) -> Tensor:
    """All binary vectors of a length, in counting order: 00, 01, 10, 11.

    Args:
        count: length K, at most 20.

    Returns:
        Zeros and ones in torch's default dtype, shape (2^K, K).

    Raises:
        ValueError: K is above 20.
    """
    return torch.cat(list(blocks(count, 2))).to(torch.get_default_dtype())


def bernoulli_log_likelihood(x: Tensor, logits: Tensor) -> Tensor:
    """Log-likelihood of every row under every state, sum_i x_i l_i - softplus(l_i).

    Written as a matrix product, so that nothing of shape (rows, states, D) is ever stored.

    Args:
        x: binary data, shape (rows, D).
        logits: one vector of logits per state, shape (states, D).

    Returns:
        Nats, shape (rows, states).
    """
    return x @ logits.mT - softplus(logits).sum(-1)


def one_hot_moments(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each element of a one-hot vector.

    The variance is p_k (1 - p_k). 1 - p_k is computed as the sum of the other probabilities, so
    that the standard deviation stays above 0 where p_k rounds to 1.

    Args:
        logits: log-probabilities of the K classes up to a constant, shape (..., K).

    Returns:
        Mean and standard deviation, each of shape (..., K).
    """
    mean = logits.softmax(-1)
    others = mean @ (1 - torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device))
    return mean, (mean * others).sqrt()
