"""Radon: houses in counties, each county with a level and an effect of the floor of its own.

A house is measured in its basement or on its first floor. The uranium in a county's soil predicts
its level. Counties with few houses are pulled towards what the others say.

Generative process, for each county j and house n:
    mu ~ N(0, 5^2 I_3)                            (level, effect of uranium, effect of the floor)
    spread ~ HalfNormal(1)^2                      (of levels, and of effects of the floor)
    sigma ~ HalfNormal(1)
    eta_j ~ N(0, I_2)
    level_j = mu_0 + spread_0 eta_j0,   slope_j = mu_2 + spread_1 eta_j1
    y_n ~ N(level_j(n) + mu_1 uranium_n + slope_j(n) floor_n, sigma)

Shapes: x (rows, 3), columns county, floor and log uranium of the county; y (rows,), log radon;
mu (3,), spread (2,), sigma (), eta (J, 2).
Source: Gelman and Hill (2007), Data analysis using regression and multilevel/hierarchical models,
chapters 12 and 13.
Departs from the book: proper priors; a county's level and slope are independent given the rest.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from zoo.models.shapes import require_shape

MEAN_SCALE, SPREAD_SCALE = 5.0, 1.0


class Radon(nn.Module):
    """Varying intercepts and slopes; it has no parameters to learn."""

    def __init__(self, counties: int) -> None:
        """Fixes the number of counties.

        Args:
            counties: J; the first column of x counts from 0 to J - 1.

        Raises:
            ValueError: counties is below 1.
        """
        super().__init__()
        if counties < 1:
            raise ValueError(f"Expected counties >= 1; got {counties}. Count the counties of x.")
        self.counties = counties

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates houses: sites mu, spread, sigma and eta, then the observed site y.

        Args:
            x: county, floor and uranium, shape (rows, 3).
            y: logarithm of radon, shape (rows,).

        Returns:
            The observed values, shape (rows,).

        Raises:
            ValueError: x is not (rows, 3), or y not (rows,).
        """
        require_shape("x", x, (len(x), 3))
        require_shape("y", y, (len(x),))
        mu = pyro.sample(
            "mu", dist.Normal(x.new_zeros(3), x.new_full((3,), MEAN_SCALE)).to_event(1)
        )
        narrow = x.new_full((2,), SPREAD_SCALE)
        spread = pyro.sample("spread", dist.HalfNormal(narrow).to_event(1))
        sigma = pyro.sample("sigma", dist.HalfNormal(narrow[0]))
        with pyro.plate("counties", self.counties):
            eta = pyro.sample("eta", dist.Normal(x.new_zeros(2), x.new_ones(2)).to_event(1))
        own = (spread * eta)[..., x[:, 0].long(), :]
        level = mu[..., 0] + own[..., 0] + mu[..., 1] * x[:, 2]
        slope = mu[..., 2] + own[..., 1]
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(level + slope * x[:, 1], sigma), obs=y)
