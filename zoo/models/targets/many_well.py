"""Many wells: pairs of a double well and a Gaussian, so that 2^W modes stand at all corners.

Every second number has a deep and a shallow well, and none knows of the others. There are 2^16
modes in 32 dimensions: too many to list, and still the constant and every moment are known from
one number alone. Nothing is observed: the guide approximates the density.

Density, up to its constant:
    log p(x) = sum_i [ -(a x_i + b x_i^2 + c x_i^4) ]   for i = 0, 2, 4, ...
               + sum_i [ -1/2 x_i^2 ]                   for i = 1, 3, 5, ...

Shapes: coefficients (3,) holds a, b, c; x (2 W,) with W wells, 16 in the source.
Source: Midgley et al. (2023), Flow annealed importance sampling bootstrap, ICLR, section 5.2, with
a = -0.5, b = -6, c = 1; the double well is that of Noe et al. (2019), Boltzmann generators.
Departs from the paper: nothing.
"""

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape
from zoo.models.targets.factored import sample_by_factor
from zoo.models.targets.quadrature import draw_on_line, legendre

NODES = 400
DROP = 100.0  # nats below the barrier at which the quadrature and the draws stop


class ManyWell(nn.Module):
    """A product of double wells and Gaussians; it has no parameters to learn."""

    def __init__(self, wells: int = 16) -> None:
        """Fixes the number of dimensions.

        Args:
            wells: number W of double wells.

        Raises:
            ValueError: wells is below 1.
        """
        super().__init__()
        if wells < 1:
            raise ValueError(f"Expected wells >= 1; got {wells}. Give the number of pairs.")
        self.wells = wells

    def forward(self, coefficients: Tensor) -> Tensor:
        """Draws site x from a normal that spans the wells; a factor corrects its density.

        Args:
            coefficients: a, b and c, shape (3,).

        Returns:
            x, shape (2 W,).

        Raises:
            ValueError: coefficients has another shape than (3,).
        """
        require_shape("coefficients", coefficients, (3,))
        _, b, c = coefficients
        reach = ((1 + b.abs()) / (2 * c)).sqrt()  # the wells are at sqrt(-b / (2 c))
        sd = torch.stack([reach, torch.ones_like(reach)]).repeat(self.wells)
        base = dist.Normal(torch.zeros_like(sd), sd).to_event(1)
        return sample_by_factor(base, lambda x: _log_density(x, coefficients))

    def log_evidence(self, coefficients: Tensor) -> Tensor:
        """Log of the integral of the density: W times that of one pair, by quadrature.

        Args:
            coefficients: shape (3,).

        Returns:
            Nats, shape ().

        Raises:
            ValueError: c is not positive.
        """
        return self.wells * (_well_moments(coefficients)[0] + math.log(2 * math.pi) / 2)

    def posterior_moments(self, coefficients: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean and standard deviation, by quadrature over one well.

        Args:
            coefficients: shape (3,).

        Returns:
            Site x -> (mean, sd), each of shape (2 W,).
        """
        _, mean, sd = _well_moments(coefficients)
        means = torch.stack([mean, torch.zeros_like(mean)]).repeat(self.wells)
        return {"x": (means, torch.stack([sd, torch.ones_like(sd)]).repeat(self.wells))}

    def exact_draws(self, count: int, coefficients: Tensor) -> dict[str, Tensor]:
        """Independent draws: wells by rejection on a line, the others normal.

        Args:
            count: number of draws.
            coefficients: shape (3,).

        Returns:
            Site x -> (count, 2 W).
        """
        edge = _edge(coefficients)
        _, b, c = coefficients
        steepest = 2 * b.abs() + 12 * c * edge**2
        wells = draw_on_line(
            count * self.wells, lambda x: _log_well(x, coefficients), -edge, edge, steepest
        )
        normals = torch.randn(count * self.wells).to(wells)
        return {"x": torch.stack([wells, normals], -1).reshape(count, -1)}


def _log_well(x: Tensor, coefficients: Tensor) -> Tensor:
    a, b, c = coefficients
    return -(a * x + b * x**2 + c * x**4)


def _log_density(x: Tensor, coefficients: Tensor) -> Tensor:
    return (_log_well(x[..., ::2], coefficients) - x[..., 1::2].square() / 2).sum(-1)


def _edge(coefficients: Tensor) -> Tensor:
    """Where one well's log density has fallen by about DROP nats below that at 0."""
    c = coefficients[2]
    if not c > 0:
        raise ValueError(f"Expected c > 0; got {float(c)}. Give x^4 a positive factor.")
    a, b = coefficients[:2].abs()
    return ((b + (b**2 + 4 * c * (DROP + a * (b / c).sqrt())).sqrt()) / (2 * c)).sqrt()


def _well_moments(coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log of one well's integral, its mean and its standard deviation, each of shape ()."""
    edge = _edge(coefficients)
    x, weights = legendre(NODES, -edge, edge)
    log_mass = _log_well(x, coefficients) + weights.log()
    share = log_mass.softmax(0)
    mean = share @ x
    return log_mass.logsumexp(0), mean, (share @ (x - mean).square()).sqrt()
