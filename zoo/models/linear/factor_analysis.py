"""Factor analysis: a few Gaussian factors, and noise of its own for each measurement.

A row of D measurements is an affine function of M < D hidden factors, plus noise with a scale for
each measurement. With one scale for all of them it would be probabilistic PCA. The factors explain
the correlations between measurements. Everything is Gaussian, so evidence and posterior are exact.

Generative process, for each row n:
    z_n ~ N(0, I_M)
    x_n ~ N(W z_n + mu, diag(s)^2)

Shapes: x (rows, D), z (rows, M), weight W (D, M), mean mu (D,), log_scale log s (D,).
Sources: Rubin and Thayer (1982), EM algorithms for ML factor analysis, Psychometrika 47;
Ghahramani and Hinton (1996), The EM algorithm for mixtures of factor analyzers.
Departs from the papers: the noise is held as log s.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.linear.linear_gaussian import initial_weight, posterior_mean, remaining_square
from zoo.models.shapes import require_shape


class FactorAnalysis(nn.Module):
    """Linear Gaussian latent-variable model with a noise of its own for every measurement."""

    def __init__(self, features: int, latent: int = 2) -> None:
        """Starts with columns of W near unit length, mu = 0 and s = 1.

        Args:
            features: data dimension D.
            latent: latent dimension M, below D.

        Raises:
            ValueError: latent is not in 1..D-1.
        """
        super().__init__()
        self.weight = nn.Parameter(initial_weight(features, latent))
        self.mu = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """None: the exact posterior mean is linear in a row."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        features, latent = self.weight.shape
        require_shape("x", x, (len(x), features))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(latent), x.new_ones(latent)).to_event(1))
            noise = self.log_scale.exp()
            return pyro.sample("x", dist.Normal(self.decode(z), noise).to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """Expected x given z, W z + mu: (..., M) -> (..., D)."""
        return z @ self.weight.mT + self.mu

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), through M x M matrices only.

        In units of the noise, r = (x - mu) / s and V = W / s, the marginal is N(0, V V' + I). With
        P = V'V + I, log|V V' + I| = log|P| and the square is |r|^2 - r'V P^-1 V'r.

        Args:
            x: data, shape (rows, D).

        Returns:
            Nats, shape (rows,).
        """
        residual = (x - self.mu) * (-self.log_scale).exp()
        square, log_det_precision = remaining_square(residual, *self._scaled())
        log_det = 2 * self.log_scale.sum() + log_det_precision
        return -0.5 * (len(self.mu) * math.log(2 * math.pi) + log_det + square)

    def posterior(self, x: Tensor) -> dict[str, Distribution]:
        """Exact posterior N(P^-1 V'(x - mu)/s, P^-1) with V = W/s and P = V'V + I.

        Args:
            x: data, shape (rows, D).

        Returns:
            Site z -> distribution of batch shape (rows,), event shape (M,).
        """
        weight, precision = self._scaled()
        residual = (x - self.mu) * (-self.log_scale).exp()
        loc = posterior_mean(residual, weight, precision)
        return {"z": dist.MultivariateNormal(loc, precision_matrix=precision)}

    @torch.no_grad()
    def fit_em(self, x: Tensor, steps: int) -> Tensor:
        """Runs EM in place from the present weight and scales; the mean is fitted at once.

        Args:
            x: data, shape (rows, D).
            steps: number of EM steps.

        Returns:
            Total log-likelihood of the rows after each step, nats, shape (steps,), never falling.

        Source: Ghahramani and Hinton (1996), section 2.
        """
        self.mu.copy_(x.mean(0))
        centred, history = x - self.mu, x.new_empty(steps)
        for step in range(steps):
            weight, precision = self._scaled()
            gain = torch.linalg.solve(precision, (weight * (-self.log_scale).exp()[:, None]).mT)
            cross = centred.mT @ (centred @ gain.mT) / len(x)
            second = torch.linalg.inv(precision) + gain @ cross
            self.weight.copy_(torch.linalg.solve(second, cross, left=False))
            variance = centred.square().mean(0) - (self.weight * cross).sum(-1)
            self.log_scale.copy_(variance.log() / 2)
            history[step] = self.log_evidence(x).sum()
        return history

    def _scaled(self) -> tuple[Tensor, Tensor]:
        """V = W / s, shape (D, M), and the posterior precision V'V + I, shape (M, M)."""
        weight = self.weight * (-self.log_scale).exp()[:, None]
        eye = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
        return weight, weight.mT @ weight + eye
