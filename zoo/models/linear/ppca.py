"""Probabilistic principal component analysis (PCA).

A row of D numbers is an affine function of M < D hidden Gaussian numbers, plus noise of the same
scale in every direction. Everything is Gaussian, so evidence, posterior and maximum-likelihood fit
are known exactly, and guides and estimators are checked on this model first.

Generative process, for each row n:
    z_n ~ N(0, I_M)
    x_n ~ N(W z_n + mu, s^2 I_D)

Shapes: x (rows, D), z (rows, M), weight W (D, M), mean mu (D,), log_scale log s ().
Source: Tipping and Bishop (1999), Probabilistic principal component analysis, JRSS B 61(3).
Departs from the paper: the noise is held as log s; the rotation R of the fit is the identity.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.linear.linear_gaussian import initial_weight, posterior_mean, remaining_square
from zoo.models.shapes import require_shape


class ProbabilisticPCA(nn.Module):
    """Linear Gaussian latent-variable model with isotropic noise."""

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
        self.log_scale = nn.Parameter(torch.zeros(()))

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

        With C = W W' + s^2 I and P = W'W + s^2 I, the determinant and inversion lemmas give
        log|C| = (D - M) log s^2 + log|P| and r'C^-1 r = (|r|^2 - r'W P^-1 W'r) / s^2.

        Args:
            x: data, shape (rows, D).

        Returns:
            Nats, shape (rows,).
        """
        features, latent = self.weight.shape
        square, log_det_inner = remaining_square(x - self.mu, self.weight, self._inner())
        log_det = 2 * (features - latent) * self.log_scale + log_det_inner
        constant = features * math.log(2 * math.pi)
        return -0.5 * (constant + log_det + square * (-2 * self.log_scale).exp())

    def posterior(self, x: Tensor) -> dict[str, Distribution]:
        """Exact posterior N(P^-1 W'(x - mu), s^2 P^-1) with P = W'W + s^2 I.

        Args:
            x: data, shape (rows, D).

        Returns:
            Site z -> distribution of batch shape (rows,), event shape (M,).
        """
        inner = self._inner()
        loc = posterior_mean(x - self.mu, self.weight, inner)
        precision = inner * (-2 * self.log_scale).exp()
        return {"z": dist.MultivariateNormal(loc, precision_matrix=precision)}

    def mean_field_gap(self, x: Tensor) -> Tensor:
        """Log p(x) minus the ELBO of the best diagonal Gaussian guide.

        With A the exact posterior precision, that guide has the exact mean and variances 1 / A_ii,
        so the gap is 0.5 (sum_i log A_ii - log|A|), the same for every row.

        Args:
            x: data, shape (rows, D).

        Returns:
            Nats, shape (rows,).
        """
        precision = self._inner() * (-2 * self.log_scale).exp()
        gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
        return gap.expand(len(x))

    def fit_closed_form(self, x: Tensor) -> None:
        """Sets all parameters to the maximum-likelihood ones; see `maximum_likelihood`."""
        _assign(self, *maximum_likelihood(x, self.weight.shape[1]))

    def fit_em(self, x: Tensor, steps: int) -> Tensor:
        """Runs EM in place from the present weight and scale; the mean is fitted at once.

        Args:
            x: data, shape (rows, D).
            steps: number of EM steps.

        Returns:
            Total log-likelihood of the rows after each step, nats, shape (steps,), never falling.
        """
        history = x.new_empty(steps)
        with torch.no_grad():
            for step in range(steps):
                weight, scale = em_step(x - x.mean(0), self.weight, self.log_scale.exp())
                _assign(self, weight, x.mean(0), scale)
                history[step] = self.log_evidence(x).sum()
        return history

    def _inner(self) -> Tensor:
        """P = W'W + s^2 I, shape (M, M)."""
        return self.weight.mT @ self.weight + torch.diag_embed(
            (2 * self.log_scale).exp().expand(self.weight.shape[1])
        )


def maximum_likelihood(x: Tensor, latent: int) -> tuple[Tensor, Tensor, Tensor]:
    """Closed-form fit: W = U_M (L_M - s^2 I)^1/2, s^2 = mean of the discarded eigenvalues.

    The eigenvalues L are those of the sample covariance divided by the number of rows; they come
    from the singular values of the centred data, so no D x D matrix is formed.

    Args:
        x: data, shape (rows, D).
        latent: latent dimension M.

    Returns:
        Weight (D, M), mean (D,) and noise standard deviation ().

    Raises:
        ValueError: x spans at most M directions, so that s would be 0, the likelihood infinite.

    Source: Tipping and Bishop (1999), section 3.2.
    """
    if min(len(x) - 1, x.shape[1]) <= latent:
        raise ValueError(
            f"Expected more than {latent + 1} rows for latent={latent}; got {len(x)}. "
            "Give more rows, or a smaller latent dimension."
        )
    mean = x.mean(0)
    _, singular, directions = torch.linalg.svd(x - mean, full_matrices=False)
    eigenvalues = singular.square() / len(x)
    variance = eigenvalues[latent:].sum() / (x.shape[1] - latent)
    lengths = (eigenvalues[:latent] - variance).clamp(min=0).sqrt()
    return directions[:latent].mT * lengths, mean, variance.sqrt()


def em_step(centred: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """One EM step for W and s, with the sample covariance S only ever applied to W.

    Args:
        centred: data less its mean, shape (rows, D).
        weight: present W, shape (D, M).
        scale: present s, shape ().

    Returns:
        New weight (D, M) and new scale ().

    Source: Tipping and Bishop (1999), appendix B.
    """
    ridge = scale.square() * torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
    inner = weight.mT @ weight + ridge
    applied = centred.mT @ (centred @ weight) / len(centred)
    spread = ridge + torch.linalg.solve(inner, weight.mT @ applied)
    fitted = torch.linalg.solve(spread, applied, left=False)
    explained = (torch.linalg.solve(inner, applied, left=False) * fitted).sum()
    variance = (centred.square().sum() / len(centred) - explained) / centred.shape[1]
    return fitted, variance.sqrt()


def _assign(model: ProbabilisticPCA, weight: Tensor, mean: Tensor, scale: Tensor) -> None:
    with torch.no_grad():
        model.weight.copy_(weight)
        model.mu.copy_(mean)
        model.log_scale.copy_(scale.log())
