"""The evidence lower bound: the mean log-weight. Jordan et al. 1999."""

from torch import Tensor

from zoo.figures.figure import PerRow


def elbo(log_w: Tensor) -> PerRow:
    """E_q[log w] and its standard error, nats; log_w (draws, rows) -> (rows,) each."""
    return log_w.mean(0), log_w.std(0) / len(log_w) ** 0.5
