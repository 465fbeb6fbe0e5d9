"""From a matrix of scores to a doubly stochastic one, and to the best permutation.

Rows and columns of exp(S) are divided by their sums in turn; as S is multiplied by a growing
factor, the limit tends to the permutation with the largest sum_i S_{i, pi_i}.

Sources: Sinkhorn 1964, "A relationship between arbitrary positive matrices and doubly stochastic
matrices"; Adams & Zemel 2011, "Ranking via Sinkhorn propagation"; Mena et al. 2018.
"""

from torch import Tensor

from zoo.permutations.each import matched
from zoo.permutations.support import as_matrix, every_permutation

ITERATIONS = 20


def sinkhorn(scores: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """A matrix whose columns sum to 1, and its rows nearly so.

    Args:
        scores: S, shape (..., n, n).
        iterations: times that rows, then columns, are normalised.

    Returns:
        Shape (..., n, n), positive.
    """
    for _ in range(iterations):
        scores = scores - scores.logsumexp(-1, keepdim=True)
        scores = scores - scores.logsumexp(-2, keepdim=True)
    return scores.exp()


def best_matching(scores: Tensor) -> Tensor:
    """The permutation matrix with the largest sum_i S_{i, pi_i}, found among all n!.

    Args:
        scores: S, shape (..., n, n), n at most 6.

    Returns:
        Zeros and ones, shape (..., n, n).

    Raises:
        ValueError: for more than 6 items.
    """
    every = every_permutation(scores.shape[-1], scores.device)
    best = matched(scores.detach()).argmax(-1)
    return as_matrix(every[best], scores.dtype)
