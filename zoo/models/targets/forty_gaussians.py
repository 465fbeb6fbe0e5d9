"""Forty Gaussians scattered over the plane: far apart, so that few samplers find all of them.

Between two modes the density is as good as 0. A guide that minimises KL(q || p) settles on some
of them, and its bound falls short by the log of the share that it holds. Nothing is observed: the
guide approximates the density, whose evidence is 1.

Density:
    p(x) = 1/K sum_k N(x; means_k, scales_k^2 I)

Shapes: means (K, 2), scales (K,), x (2,). K is 40, the means are uniform on [-40, 40]^2, and
every scale is log(1 + e) = 1.31.
Source: Midgley et al. (2023), Flow annealed importance sampling bootstrap, ICLR, section 5.1.
Departs from the paper: the means follow from the seed of the data.
"""

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape
from zoo.models.targets.factored import sample_by_factor


class FortyGaussians(nn.Module):
    """A mixture with equal weights in the plane; it has no parameters to learn."""

    def forward(self, means: Tensor, scales: Tensor) -> Tensor:
        """Draws site x from a normal with the mixture's moments; a factor corrects its density.

        Args:
            means: of the components, shape (K, 2).
            scales: standard deviation of each, shape (K,).

        Returns:
            x, shape (2,).

        Raises:
            ValueError: there are not as many scales as means, or the means are not in the plane.
        """
        require_shape("means", means, (len(scales), 2))
        mean, sd = self.posterior_moments(means, scales)["x"]
        base = dist.Normal(mean, sd).to_event(1)
        return sample_by_factor(base, lambda x: _log_density(x, means, scales))

    def log_evidence(self, means: Tensor, scales: Tensor) -> Tensor:
        """Log of the integral of the density: 0, so that a bound's gap is KL(q || p).

        Args:
            means: shape (K, 2).
            scales: shape (K,).

        Returns:
            Nats, shape ().
        """
        return means.new_zeros(())

    def posterior_moments(self, means: Tensor, scales: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean and standard deviation: those of the means, with the scales added.

        Args:
            means: shape (K, 2).
            scales: shape (K,).

        Returns:
            Site x -> (mean, sd), each of shape (2,).
        """
        centre = means.mean(0)
        variance = (means - centre).square().mean(0) + scales.square().mean()
        return {"x": (centre, variance.sqrt())}

    def exact_draws(self, count: int, means: Tensor, scales: Tensor) -> dict[str, Tensor]:
        """Independent draws: a component, then a point of it.

        Args:
            count: number of draws.
            means: shape (K, 2).
            scales: shape (K,).

        Returns:
            Site x -> (count, 2).
        """
        k = torch.randint(len(means), (count,)).to(means.device)
        noise = torch.randn(count, 2).to(means)
        return {"x": means[k] + scales[k, None] * noise}


def _log_density(x: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    squares = (x[..., None, :] - means).square().sum(-1) / scales.square()
    normal = -squares / 2 - (2 * math.pi * scales.square()).log()
    return normal.logsumexp(-1) - math.log(len(means))
