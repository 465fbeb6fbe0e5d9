"""Checks that students run themselves: properties of every right solution, never the answers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Check

Function = Callable[..., Any]


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _parameters() -> tuple[Tensor, Tensor, Tensor]:
    return _normal(4, 2), _normal(4), torch.tensor(0.5)


def check_a(function: Function) -> Iterator[Check]:
    """Symmetry, W = 0, and no noise."""
    w, mu, sigma = _parameters()
    mean, covariance = function(w, mu, sigma)
    hint = "The covariance of x is a symmetric matrix."
    yield Check("marginal covariance", _close(covariance, covariance.mT), hint)
    alone = function(0 * w, mu, sigma)[1].diagonal()
    hint = "With W = 0 all features have the same variance, that of the noise."
    yield Check("marginal covariance", _close(alone, sigma.square().expand(4)), hint)
    rank = torch.linalg.matrix_rank(function(w, mu, 0 * sigma)[1], tol=1e-4)
    yield Check("marginal covariance", bool(rank == 2), "Without noise its rank is K.")
    moved = function(w, mu + 1, sigma)[0]
    hint = "Adding 1 to mu adds 1 to the mean of x."
    yield Check("marginal mean", _close(moved, mean + 1), hint)


def check_b(function: Function) -> Iterator[Check]:
    """W = 0, a row at mu, and much or little noise."""
    w, mu, sigma = _parameters()
    x = _normal(3, 4)
    mean, covariance = function(x, w, mu, sigma)
    prior, wide = function(x, 0 * w, mu, sigma)
    yield Check(
        "posterior mean", _close(prior, 0 * mean), "With W = 0 the posterior is the prior."
    )
    eye = torch.eye(2)
    yield Check(
        "posterior covariance", _close(wide, eye), "With W = 0 the posterior is the prior."
    )
    centre = function(mu.expand(3, 4), w, mu, sigma)[0]
    yield Check("posterior mean", _close(centre, 0 * mean), "For x = mu the posterior mean is 0.")
    smaller = torch.linalg.eigvalsh(eye - covariance).min() > 0
    hint = "Data make the posterior narrower than the prior in every direction that W reaches."
    yield Check("posterior covariance", bool(smaller), hint)
    z = _normal(3, 2)
    found = function(z @ w.mT + mu, w, mu, torch.tensor(1e-2))[0]
    hint = "With almost no noise the posterior mean is the z that generated the row."
    yield Check("posterior mean", bool((found - z).abs().max() < 1e-2), hint)


def check_c(function: Function) -> Iterator[Check]:
    """It integrates to one in one dimension, does not depend on a rotation, and is finite."""
    grid = torch.linspace(-12, 12, 2001).unsqueeze(1)
    one = function(grid, torch.tensor([[0.8]]), torch.tensor([0.3]), torch.tensor(0.6))
    total = torch.trapezoid(one.exp(), grid[:, 0])
    hint = "p(x) integrates to 1."
    yield Check("log evidence", _close(total, torch.ones(())), hint)
    w, mu, sigma = _parameters()
    x = _normal(3, 4)
    turned = function(x, w @ torch.tensor([[0.6, -0.8], [0.8, 0.6]]), mu, sigma)
    hint = "A rotation of W from the right leaves log p(x) as it is."
    yield Check("log evidence", _close(turned, function(x, w, mu, sigma)), hint)
    many = function(_normal(3, 300), _normal(300, 2), torch.zeros(300), torch.tensor(1e-3))
    hint = "For 300 features and sigma = 0.001, log p(x) is finite."
    yield Check("small noise", bool(many.isfinite().all()), hint)


def check_d(function: Function) -> Iterator[Check]:
    """Moved rows, scaled rows, and the total variance."""
    x = _normal(50, 2) @ _normal(2, 5) + 0.4 * _normal(50, 5)
    w, mu, sigma = function(x, 2)
    moved = function(x + 1, 2)
    hint = "Adding 1 to all rows adds 1 to mu and leaves sigma as it is."
    yield Check("mean of the rows", _close(moved[1], mu + 1), hint)
    yield Check("noise", _close(moved[2], sigma), hint)
    hint = "Rows that are twice as large have twice the sigma and four times W W'."
    twice = function(2 * x, 2)
    yield Check("noise", _close(twice[2], 2 * sigma), hint)
    yield Check("loadings", _close(twice[0] @ twice[0].mT, 4 * w @ w.mT), hint)
    total = (w.square().sum() + 5 * sigma**2) / x.var(0, unbiased=False).sum()
    hint = "The fitted covariance and that of the rows have the same trace."
    yield Check("loadings", _close(total, torch.ones(())), hint)


def check_e(function: Function) -> Iterator[Check]:
    """The likelihood never falls, and W = 0 stays."""
    w, mu, sigma = _parameters()
    x = _normal(40, 4) + mu
    hint = "A step of EM never lowers the likelihood."
    values = []
    for _ in range(6):
        covariance = w @ w.mT + sigma**2 * torch.eye(4)
        p = torch.distributions.MultivariateNormal(mu, covariance)
        values.append(p.log_prob(x).sum())
        w, sigma = function(x, w, mu, sigma)
    rises = all(bool(b >= a - 1e-3) for a, b in zip(values, values[1:], strict=False))
    yield Check("EM loadings", rises, hint)
    stays, noise = function(x, 0 * w, mu, sigma)
    yield Check("EM loadings", _close(stays, 0 * w), "From W = 0 a step of EM stays at W = 0.")
    hint = "At W = 0 the new noise variance is the mean square of x - mu."
    yield Check("EM noise", _close(noise**2, (x - mu).square().mean()), hint)
