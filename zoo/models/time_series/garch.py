"""GARCH(1, 1): returns whose variance follows their own past.

A large return raises the variance of the next ones, which then falls back. The data say little of
each parameter and much of some combinations, so the posterior is bent.

Generative process, with e_t = y_t - m and h_0 = 1:
    m ~ N(0, 1),  base ~ HalfNormal(1),  persistence ~ Uniform(0, 1),  share ~ Uniform(0, 1)
    h_t = base + persistence (share e_{t-1}^2 + (1 - share) h_{t-1})
    y_t ~ N(m, sqrt(h_t))         (the second argument is a standard deviation)

The recursion over time is a :func:`zoo.scan`, which stays one loop where a step is compiled.

Shapes: y (T,), all latents ().
Source: Bollerslev (1986), Generalized autoregressive conditional heteroskedasticity.
Departs from the paper: alpha = persistence share and beta = persistence (1 - share), which are
stationary for all values; the variance of the first return is known.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.handlers.scan import scan
from zoo.models.shapes import require_shape

FIRST_VARIANCE = 1.0


class Garch(nn.Module):
    """GARCH(1, 1) with a constant mean; it has no parameters to learn."""

    def forward(self, y: Tensor) -> Tensor:
        """Generates the returns: sites m, base, persistence and share, then y.

        Args:
            y: returns, shape (T,).

        Returns:
            The returns, shape (T,).

        Raises:
            ValueError: y is not (T,).
        """
        require_shape("y", y, (len(y),))
        zero, one = y.new_zeros(()), y.new_ones(())
        m = pyro.sample("m", dist.Normal(zero, one))
        base = pyro.sample("base", dist.HalfNormal(one))
        persistence = pyro.sample("persistence", dist.Uniform(zero, one))
        share = pyro.sample("share", dist.Uniform(zero, one))
        m, base, persistence, share = (v[..., None] for v in (m, base, persistence, share))
        alpha = persistence * share
        variance = variances((y - m).square(), base, alpha, persistence - alpha)
        return pyro.sample("y", dist.Normal(m, variance.sqrt()).to_event(1), obs=y)


def variances(squares: Tensor, base: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """h_0 = 1, then h_t = base + alpha e_{t-1}^2 + beta h_{t-1}.

    Args:
        squares: e_t^2, shape (..., T).
        base: shape (..., 1).
        alpha: what a squared return adds, shape (..., 1).
        beta: what stays of the variance, shape (..., 1).

    Returns:
        Shape (..., T).
    """
    base, alpha, beta, rows = torch.broadcast_tensors(base, alpha, beta, squares)
    base, alpha, beta = base[..., 0], alpha[..., 0], beta[..., 0]

    def advance(variance: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        return base + alpha * square + beta * variance, variance

    first = torch.full_like(base, FIRST_VARIANCE)
    _, found = scan(advance, first, rows.movedim(-1, 0))
    return found.movedim(0, -1)
