"""A Bayesian neural network: regression by one hidden layer whose weights are latent.

Many different weights fit the same rows, and predictions average over them: the network says how
little it knows where there were no rows. An exchange of hidden units changes nothing, so that the
posterior has H! modes of the same predictions: means and sds of weights say little, and the fit is
judged by what it predicts.

Generative process, for H hidden units and rows n of D features:
    hidden ~ N(0, I_{(D + 1) H}),  output ~ N(0, I_{H + 1}),  sigma ~ HalfNormal(1)
    a_n = relu( (x_n, 1)' hidden / sqrt(D + 1) ),  f_n = (a_n, 1)' output / sqrt(H + 1)
    y_n ~ N(f_n, sigma^2)

Shapes: x (rows, D) and y (rows,), both standardised; hidden (D + 1, H), output (H + 1,),
sigma ().
Source: Hernandez-Lobato & Adams (2015), Probabilistic backpropagation for scalable learning of
Bayesian neural networks; Hernandez-Lobato et al. (2016), Black-box alpha divergence minimization.
Departs from the papers: the variance of the weights is 1, and not learned. The first paper gives
the precision of the noise a prior Gamma(6, 6), which keeps sigma above 0.2 on a few hundred rows.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

UNITS = 50
WIDEST_NOISE = 1.0


class BayesianNetwork(nn.Module):
    """One hidden layer of rectified units with normal weights; it has no parameters to learn."""

    def __init__(self, features: int, units: int = UNITS) -> None:
        """Fixes the sizes.

        Args:
            features: D.
            units: H.

        Raises:
            ValueError: features or units is below 1.
        """
        super().__init__()
        if min(features, units) < 1:
            raise ValueError(
                f"Expected features and units >= 1; got {features} and {units}. Count the columns "
                "of x, and choose the width of the hidden layer."
            )
        self.features, self.units = features, units

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates outcomes: sites hidden, output and sigma, then the observed site y.

        Args:
            x: features in units of their standard deviation, shape (rows, D).
            y: outcomes in units of their standard deviation, shape (rows,).

        Returns:
            The observed outcomes, shape (rows,).

        Raises:
            ValueError: x is not (rows, D), or y not (rows,).
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("y", y, (len(x),))
        zero = x.new_zeros(())
        inner = zero.expand(self.features + 1, self.units)
        hidden = pyro.sample("hidden", dist.Normal(inner, 1.0).to_event(2))
        output = pyro.sample("output", dist.Normal(zero.expand(self.units + 1), 1.0).to_event(1))
        sigma = pyro.sample("sigma", dist.HalfNormal(zero + WIDEST_NOISE))
        with pyro.plate("data", len(x)):
            loc = predicted(x, hidden, output)
            return pyro.sample("y", dist.Normal(loc, sigma), obs=y)


def predicted(x: Tensor, hidden: Tensor, output: Tensor) -> Tensor:
    """What the network computes of each row.

    Args:
        x: features, shape (rows, D).
        hidden: weights, shape (D + 1, H), or (particles, 1, D + 1, H).
        output: weights, shape (H + 1,), or (particles, 1, H + 1).

    Returns:
        Shape (rows,) or (particles, rows).
    """
    if hidden.dim() > 2:
        hidden = hidden.squeeze(-3)  # a product with all rows at once
    entered = torch.cat([x, torch.ones_like(x[:, :1])], -1)
    active = (entered @ hidden / hidden.shape[-2] ** 0.5).relu()
    total = (active * output[..., :-1]).sum(-1) + output[..., -1]
    return total / output.shape[-1] ** 0.5
