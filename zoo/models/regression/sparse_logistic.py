"""Sparse logistic regression: the regularised horseshoe.

Most coefficients are near 0 and a few are large. The horseshoe has a spike at 0 and heavy tails:
one scale for all coefficients, and one for each. A slab of finite width keeps the large ones from
running away where the classes can be separated. The posterior is a funnel for each coefficient.

Generative process:
    tau ~ HalfCauchy(g),  slab ~ InverseGamma(2, 8),  intercept ~ N(0, 10)
    lambda_d ~ HalfCauchy(1),  z_d ~ N(0, 1)
    beta_d = z_d tau lambda_d sqrt(slab / (slab + tau^2 lambda_d^2))
    y_n ~ Bernoulli(sigmoid(intercept + x_n' beta)), for each row n

Shapes: x (rows, D + 1) with a column of ones first, y (rows,) of zeros and ones, tau (), slab (),
intercept (), lambda (D,), z (D,).
Source: Piironen and Vehtari (2017), Sparsity information and regularization in the horseshoe and
other shrinkage priors, Electronic Journal of Statistics 11.
Departs from the paper: g is fixed, where the paper takes it from a guess at the number of
coefficients that are not 0.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

INTERCEPT_SCALE, SLAB_SHAPE, SLAB_RATE = 10.0, 2.0, 8.0


class SparseLogistic(nn.Module):
    """Logistic regression under the regularised horseshoe; it has no parameters to learn."""

    def __init__(self, features: int, global_scale: float = 0.1) -> None:
        """Fixes the number of coefficients and the scale of tau.

        Args:
            features: number of columns of x, the column of ones included.
            global_scale: g, above 0.

        Raises:
            ValueError: features is below 2, or global_scale not above 0.
        """
        super().__init__()
        if features < 2:
            raise ValueError(f"Expected features >= 2; got {features}. Count the columns of x.")
        if global_scale <= 0:
            raise ValueError(f"Expected global_scale above 0; got {global_scale}. It is a scale.")
        self.features, self.global_scale = features, global_scale

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates labels: sites tau, slab, intercept, lambda and z, then the observed site y.

        Args:
            x: features, the first column ones, shape (rows, D + 1).
            y: labels 0 or 1 as floats, shape (rows,).

        Returns:
            The observed labels, shape (rows,).

        Raises:
            ValueError: x is not (rows, D + 1), or y not (rows,).
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("y", y, (len(x),))
        zero, ones = x.new_zeros(()), x.new_ones(self.features - 1)
        tau = pyro.sample("tau", dist.HalfCauchy(self.global_scale + zero))
        slab = pyro.sample("slab", dist.InverseGamma(SLAB_SHAPE + zero, SLAB_RATE + zero))
        intercept = pyro.sample("intercept", dist.Normal(zero, INTERCEPT_SCALE + zero))
        local = pyro.sample("lambda", dist.HalfCauchy(ones).to_event(1))
        z = pyro.sample("z", dist.Normal(torch.zeros_like(ones), ones).to_event(1))
        beta = pyro.deterministic("beta", z * shrunk(tau, slab, local))
        with pyro.plate("data", len(x)):
            logits = intercept + (x[:, 1:] * beta).sum(-1)
            return pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def shrunk(tau: Tensor, slab: Tensor, local: Tensor) -> Tensor:
    """Prior standard deviation of each coefficient: 1 / sd^2 = 1 / (tau lambda)^2 + 1 / slab.

    Args:
        tau: scale of all, shape (...).
        slab: largest variance, shape (...).
        local: scale of each, shape (..., D).

    Returns:
        Standard deviations, shape (..., D).
    """
    raw, width = tau.unsqueeze(-1) * local, slab.sqrt().unsqueeze(-1)
    return raw / torch.hypot(torch.ones_like(raw), raw / width)
