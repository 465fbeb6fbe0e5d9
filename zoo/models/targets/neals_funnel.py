"""Neal's funnel: a density whose width varies by orders of magnitude.

One number sets the scale of all others, so the density is a funnel, wide at one end and narrow at
the other: no single step size, and no Gaussian, suits both ends. Nothing is observed: the guide
approximates the density itself, whose evidence is 1.

Generative process:
    v ~ N(0, scale_0^2)
    x_i ~ N(0, scale_i^2 exp(v)), i = 1..D

Shapes: scale (D + 1,), v (), x (D,); scale is (3, 1, ..., 1) and D is 9 in the paper.
Source: Neal (2003), Slice sampling, Annals of Statistics 31(3), section 8.
Departs from the paper: nothing.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape


class NealsFunnel(nn.Module):
    """A known density in D + 1 dimensions; it has no parameters to learn."""

    def __init__(self, features: int = 9) -> None:
        """Fixes the number of dimensions.

        Args:
            features: number D of the x_i.

        Raises:
            ValueError: features is below 1.
        """
        super().__init__()
        if features < 1:
            raise ValueError(f"Expected features >= 1; got {features}. Give the number of x_i.")
        self.features = features

    def forward(self, scale: Tensor) -> Tensor:
        """Draws sites v and x.

        Args:
            scale: standard deviation of v, then the factors of the x_i, shape (D + 1,).

        Returns:
            x, shape (D,).

        Raises:
            ValueError: scale has another shape than (D + 1,).
        """
        require_shape("scale", scale, (self.features + 1,))
        v = pyro.sample("v", dist.Normal(torch.zeros_like(scale[0]), scale[0]))
        spread = scale[1:] * (v / 2).exp()[..., None]
        return pyro.sample("x", dist.Normal(torch.zeros_like(spread), spread).to_event(1))

    def log_evidence(self, scale: Tensor) -> Tensor:
        """Log of the integral of the density: 0, so that a bound's gap is KL(q || p).

        Args:
            scale: shape (D + 1,).

        Returns:
            Nats, shape ().
        """
        return scale.new_zeros(())

    def posterior_moments(self, scale: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean and standard deviation; Var x_i = scale_i^2 E exp(v).

        Args:
            scale: shape (D + 1,).

        Returns:
            Site -> (mean, sd): v () and x (D,).
        """
        spread = scale[1:] * (scale[0].square() / 4).exp()
        return {
            "v": (torch.zeros_like(scale[0]), scale[0]),
            "x": (torch.zeros_like(spread), spread),
        }
