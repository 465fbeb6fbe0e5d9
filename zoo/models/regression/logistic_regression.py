"""Bayesian logistic regression.

One vector of coefficients, common to all rows, turns D features into the log-odds of a label. The
posterior is log-concave and nearly Gaussian, a standard test of guides for a global latent.

Generative process:
    beta ~ N(0, I_D)
    y_n ~ Bernoulli(sigmoid(x_n' beta)), for each row n

Shapes: x (rows, D) with a column of ones for the intercept, y (rows,) of zeros and ones,
beta (D,).
Source: Jaakkola and Jordan (2000), Bayesian parameter estimation via variational methods,
Statistics and Computing 10.
Departs from the paper: the prior is fixed at N(0, I), the intercept included.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from zoo.models.shapes import require_shape


class LogisticRegression(nn.Module):
    """Logistic regression with a standard normal prior; it has no parameters to learn."""

    def __init__(self, features: int) -> None:
        """Fixes the number of coefficients.

        Args:
            features: number of columns D of x, the column of ones included.

        Raises:
            ValueError: features is below 1.
        """
        super().__init__()
        if features < 1:
            raise ValueError(f"Expected features >= 1; got {features}. Count the columns of x.")
        self.features = features

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates labels: global site beta, then the observed site y.

        The product is a sum over the last dimension, so that beta may come as (particles, 1, D).

        Args:
            x: features, shape (rows, D).
            y: labels 0 or 1 as floats, shape (rows,).

        Returns:
            The observed labels, shape (rows,).

        Raises:
            ValueError: x is not (rows, D), or y not (rows,).
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("y", y, (len(x),))
        zeros, ones = x.new_zeros(self.features), x.new_ones(self.features)
        beta = pyro.sample("beta", dist.Normal(zeros, ones).to_event(1))
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Bernoulli(logits=(x * beta).sum(-1)), obs=y)
