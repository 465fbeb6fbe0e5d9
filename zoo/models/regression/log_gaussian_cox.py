"""Log-Gaussian Cox process: counts in cells whose log rate is a Gaussian process.

Where nothing was counted the rate is known from above only, so the posterior of its logarithm is
skewed, and neighbouring cells are correlated. The process is written by standard normal numbers.

Generative process, on n cells of a line, with K a squared-exponential kernel of length l and
standard deviation a, and L L' = K:
    m ~ N(0, 2),  eta ~ N(0, I_n)
    f = m + L eta
    y_i ~ Poisson(exp f_i)         (the second argument of m is a standard deviation)

Shapes: x (n,), the middles of the cells, y (n,), m (), eta (n,).
Source: Moller, Syversveen & Waagepetersen (1998), Log Gaussian Cox processes.
Departs from the paper: a line in place of a plane, and a kernel with fixed numbers.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

LEVEL_SCALE = 2.0
NUGGET = 1e-5  # of the kernel's variance, so that single precision takes its root


class LogGaussianCox(nn.Module):
    """Poisson counts with a smooth log rate; it has no parameters to learn."""

    def __init__(self, scale: float = 1.0, length: float = 1.0) -> None:
        """Fixes the kernel.

        Args:
            scale: standard deviation a of the log rate.
            length: distance l over which it varies.

        Raises:
            ValueError: one of them is not above 0.
        """
        super().__init__()
        if min(scale, length) <= 0:
            raise ValueError(
                f"Expected scale and length above 0; got {scale} and {length}. They are a "
                "standard deviation and a distance."
            )
        self.scale, self.length = scale, length

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates the counts: sites m and eta, then y.

        Args:
            x: middles of the cells, shape (n,).
            y: counts, shape (n,).

        Returns:
            The counts, shape (n,).

        Raises:
            ValueError: x is not (n,), or y has another shape.
        """
        require_shape("x", x, (len(x),))
        require_shape("y", y, (len(x),))
        m = pyro.sample("m", dist.Normal(x.new_zeros(()), LEVEL_SCALE))
        eta = pyro.sample("eta", dist.Normal(torch.zeros_like(x), 1.0).to_event(1))
        root = torch.linalg.cholesky(self.kernel(x))
        f = m[..., None] + (root * eta[..., None, :]).sum(-1)
        return pyro.sample("y", dist.Poisson(f.exp()).to_event(1), obs=y)

    def kernel(self, x: Tensor) -> Tensor:
        """Prior covariance of the log rates: (n,) -> (n, n)."""
        distance = (x[:, None] - x) / self.length
        nugget = NUGGET * torch.eye(len(x), dtype=x.dtype, device=x.device)
        return self.scale**2 * ((-0.5 * distance.square()).exp() + nugget)
