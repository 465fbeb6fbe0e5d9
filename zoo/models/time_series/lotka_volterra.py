"""Lotka-Volterra: hares and lynxes, whose numbers follow each other in cycles of ten years.

Hares multiply and are eaten; lynxes die and multiply by eating. The furs of both that were sold in
a year are counted. The latents are the four rates of a differential equation, the numbers of the
first year and the noise: what is known of one rate depends on the others.

Generative process, for years t = 0..T-1, prey u and predators v:
    theta_1, theta_3 ~ N(1, 0.5),  theta_2, theta_4 ~ N(0.05, 0.05)     (all cut off below 0)
    z_init_k ~ LogNormal(log 10, 1),  sigma_k ~ LogNormal(-1, 1),  for k = 1, 2
    du/dt = (theta_1 - theta_2 v) u,  dv/dt = (theta_4 u - theta_3) v,  (u, v) = z_init at t = 0
    y_t1 ~ LogNormal(log u(t), sigma_1),  y_t2 ~ LogNormal(log v(t), sigma_2)

Second arguments are standard deviations. The equation is solved for log u and log v, which the
solver cannot make negative, by the classical Runge-Kutta method with STEPS steps a year; the tests
measure its error.

Shapes: y (T, 2), theta (4,), z_init (2,), sigma (2,).
Source: Carpenter (2018), Predator-prey population dynamics: the Lotka-Volterra model in Stan;
posteriordb has it as `hudson_lynx_hare-lotka_volterra`.
Departs from the source: a solver with fixed steps.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.handlers.scan import scan
from zoo.models.shapes import require_shape
from zoo.models.time_series.positive_normal import PositiveNormal

STEPS = 5  # a year
RATE_LOC, RATE_SCALE = (1.0, 0.05, 1.0, 0.05), (0.5, 0.05, 0.5, 0.05)
FIRST, NOISE = math.log(10.0), -1.0  # medians of z_init and sigma, logarithms


class LotkaVolterra(nn.Module):
    """Two populations observed with log-normal noise; it has no parameters to learn."""

    def forward(self, y: Tensor) -> Tensor:
        """Generates the counts: sites theta, z_init and sigma, then y.

        Args:
            y: prey and predators of each year, above 0, shape (T, 2).

        Returns:
            The counts, shape (T, 2).

        Raises:
            ValueError: y is not (T, 2).
        """
        require_shape("y", y, (len(y), 2))
        rates = PositiveNormal(y.new_tensor(RATE_LOC), y.new_tensor(RATE_SCALE))
        theta = pyro.sample("theta", rates.to_event(1))
        pair = y.new_zeros(2)
        z_init = pyro.sample("z_init", dist.LogNormal(pair + FIRST, 1.0).to_event(1))
        sigma = pyro.sample("sigma", dist.LogNormal(pair + NOISE, 1.0).to_event(1))
        loc = log_populations(theta, z_init.log(), len(y))
        return pyro.sample("y", dist.LogNormal(loc, sigma[..., None, :]).to_event(2), obs=y)


def log_populations(theta: Tensor, first: Tensor, years: int) -> Tensor:
    """Solves the equation: log numbers of prey and predators in each year.

    Args:
        theta: rates, shape (..., 4).
        first: log numbers of the first year, shape (..., 2).
        years: T.

    Returns:
        Shape (..., T, 2).
    """
    growth = torch.stack([theta[..., 0], -theta[..., 2]], -1)
    effect = torch.stack([-theta[..., 1], theta[..., 3]], -1)  # of the other population

    def year(now: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
        x = now
        for _ in range(STEPS):
            x = _step(x, growth, effect)
        return x, now

    _, found = scan(year, first + torch.zeros_like(growth), torch.arange(years))
    return found.movedim(0, -2)


def _step(x: Tensor, growth: Tensor, effect: Tensor) -> Tensor:
    """One step of Runge and Kutta's method of fourth order for dx/dt = growth + effect exp(x')."""
    h = 1 / STEPS
    one = growth + effect * x.flip(-1).exp()
    two = growth + effect * (x + h / 2 * one).flip(-1).exp()
    three = growth + effect * (x + h / 2 * two).flip(-1).exp()
    four = growth + effect * (x + h * three).flip(-1).exp()
    return x + h / 6 * (one + 2 * (two + three) + four)
