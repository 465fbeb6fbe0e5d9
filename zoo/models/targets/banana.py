"""The banana: a Gaussian in the plane, bent along a parabola.

Its two coordinates are uncorrelated and still strongly dependent, so no Gaussian has this shape; a
flow can learn it exactly. Nothing is observed: the guide approximates the density itself, whose
evidence is 1.

Generative process:
    x1 ~ N(0, scale_0^2)
    x2 ~ N(b (x1^2 - scale_0^2), scale_1^2)

Shapes: scale (2,), x1 (), x2 (); b = 0.03 is the curvature.
Source: Haario, Saksman and Tamminen (1999), Adaptive proposal distribution for random walk
Metropolis algorithm, Computational Statistics 14; scale (10, 1) is theirs.
Departs from the paper: two dimensions, and mirrored: the source's x2 is minus this one, so that
its banana bends the other way.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape


class Banana(nn.Module):
    """A known density in the plane; it has no parameters to learn."""

    def __init__(self, curvature: float = 0.03) -> None:
        """Fixes the bend.

        Args:
            curvature: b; 0 is a Gaussian.
        """
        super().__init__()
        self.curvature = curvature

    def forward(self, scale: Tensor) -> Tensor:
        """Draws sites x1 and x2.

        Args:
            scale: standard deviations along the banana and across, shape (2,).

        Returns:
            x2, shape ().

        Raises:
            ValueError: scale has another shape than (2,).
        """
        require_shape("scale", scale, (2,))
        along, across = scale
        x1 = pyro.sample("x1", dist.Normal(torch.zeros_like(along), along))
        bend = self.curvature * (x1.square() - along.square())
        return pyro.sample("x2", dist.Normal(bend, across))

    def log_evidence(self, scale: Tensor) -> Tensor:
        """Log of the integral of the density: 0, so that a bound's gap is KL(q || p).

        Args:
            scale: shape (2,).

        Returns:
            Nats, shape ().
        """
        return scale.new_zeros(())

    def posterior_moments(self, scale: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean and standard deviation; Var x2 = scale_1^2 + 2 b^2 scale_0^4.

        Args:
            scale: shape (2,).

        Returns:
            Site -> (mean, sd), each of shape ().
        """
        along, across = scale
        variance = across.square() + 2 * self.curvature**2 * along**4
        zero = torch.zeros_like(along)
        return {"x1": (zero, along), "x2": (zero, variance.sqrt())}
