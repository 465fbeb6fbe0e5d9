"""Four particles in the plane that like two distances: the usual system DW4.

Every pair sits in a double well of its distance, and not all six pairs can be content: the
particles form squares, rhombi and kites, in every order and at every turn. Nothing is observed:
the guide approximates the density.

Density, up to its constant, with d_ij = |x_i - x_j| and c the centre of the particles:
    log p(x) = sum_{i < j} [ -(b (d_ij - d_0)^2 + k (d_ij - d_0)^4) ] + log N(c; 0, I)

Shapes: coefficients (3,) holds b, k, d_0; x (8,), particle by particle.
Source: Koehler, Klein and Noe (2020), Equivariant flows, ICML, section 6, with b = -4, k = 0.9,
d_0 = 4.
Departs from the paper: the centre is normal; the paper fixes it at 0.
"""

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape
from zoo.models.targets.factored import sample_by_factor
from zoo.models.targets.quadrature import legendre

PARTICLES = 4
DISTANCES, CELLS = 100, 256  # nodes between two particles, and of each axis for the others
DROP = 100.0  # nats from d_0 to where a pair's density counts as 0


class DoubleWellParticles(nn.Module):
    """A density in 8 dimensions, known up to its constant; it has no parameters to learn."""

    def forward(self, coefficients: Tensor) -> Tensor:
        """Draws site x from a normal of about the system's size; a factor corrects its density.

        Args:
            coefficients: b, k and d_0, shape (3,).

        Returns:
            x, shape (8,).

        Raises:
            ValueError: coefficients has another shape than (3,).
        """
        require_shape("coefficients", coefficients, (3,))
        spread = _sd(coefficients[2].square()).expand(2 * PARTICLES)
        base = dist.Normal(torch.zeros_like(spread), spread).to_event(1)
        return sample_by_factor(base, lambda x: _log_density(x, coefficients))

    def log_evidence(self, coefficients: Tensor) -> Tensor:
        """Log of the integral of the density, by quadrature; see :func:`_by_distance`.

        Args:
            coefficients: shape (3,).

        Returns:
            Nats, shape ().

        Raises:
            ValueError: k is not positive.
        """
        return _by_distance(coefficients)[1].sum().log()

    def posterior_moments(self, coefficients: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean, 0 by symmetry, and standard deviation, from the mean squared distance.

        Args:
            coefficients: shape (3,).

        Returns:
            Site x -> (mean, sd), each of shape (8,).
        """
        r, mass = _by_distance(coefficients)
        sd = _sd((mass @ r.square()) / mass.sum()).expand(2 * PARTICLES)
        return {"x": (torch.zeros_like(sd), sd)}


def _sd(square: Tensor) -> Tensor:
    """Sd of a coordinate if pairs have this mean squared distance: 1 + (N - 1) / (4 N) of it."""
    return (1 + (PARTICLES - 1) / (4 * PARTICLES) * square).sqrt()


def _log_pair(distance: Tensor, coefficients: Tensor) -> Tensor:
    b, k, middle = coefficients
    square = (distance - middle).square()
    return -(b * square + k * square.square())


def _log_density(x: Tensor, coefficients: Tensor) -> Tensor:
    places = x.unflatten(-1, (PARTICLES, 2))
    i, j = torch.triu_indices(PARTICLES, PARTICLES, 1, device=x.device)
    distances = (places[..., i, :] - places[..., j, :]).norm(dim=-1)
    centre = -places.mean(-2).square().sum(-1) / 2 - math.log(2 * math.pi)
    return _log_pair(distances, coefficients).sum(-1) + centre


def _by_distance(coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes r of the distance of two particles, and the density's mass at each, (nodes,).

    The two lie at 0 and at (r, 0). A third at p has the weight f(p) = w(|p|) w(|p - (r, 0)|), with
    w a pair's density; a fourth the same, and the two of them w(|p - q|). Their integral
    sum f(p) w(|p - q|) f(q) is a convolution, by Fourier transform on a grid.
    """
    b, k, middle = coefficients
    if not k > 0:
        raise ValueError(f"Expected k > 0; got {float(k)}. Give (d - d_0)^4 a positive factor.")
    reach = ((b.abs() + (b.square() + 4 * k * DROP).sqrt()) / (2 * k)).sqrt()
    farthest = middle + reach
    step = 3 * farthest / CELLS  # so that no pair within reach meets the grid's other end
    axis = torch.fft.fftfreq(CELLS, 1 / CELLS).to(step) * step
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    pair = _log_pair(torch.hypot(x, y), coefficients).exp()
    kernel = torch.fft.rfft2(pair)
    r, weights = legendre(DISTANCES, (middle - reach).clamp(min=0), farthest)
    found = []
    for distance in r:
        third = pair * _log_pair(torch.hypot(x - distance, y), coefficients).exp()
        met = torch.fft.irfft2(torch.fft.rfft2(third) * kernel, s=third.shape)
        found.append((third * met).sum() * step**4)
    two = _log_pair(r, coefficients).exp() * 2 * math.pi * r * weights
    return r, two * torch.stack(found)
