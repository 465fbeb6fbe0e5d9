"""Inputs and exact answers of the sheet on the ELBO and its gradients.

The noise of parts d and f is a grid of Gauss-Hermite nodes: for each coordinate, 0 four times,
sqrt(3) and -sqrt(3) once. The plain mean over it equals the expectation of every polynomial up to
degree 5. The log densities here are quadratic, so the mean of a right estimator and of its
gradient are exactly the ELBO and its gradient, whichever way the estimator is written.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from zoo.homework.api import Finding, Point

Call = dict[str, Any]
Outputs = list[dict[str, Tensor]]
Truth = Callable[..., dict[str, Tensor]]
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-3}
DIAGONAL = {"gradient in loc": "loc_gradient", "gradient in log scale": "log_scale_gradient"}
FULL = {"gradient in loc": "loc_gradient", "gradient in raw": "raw_gradient"}
SIZES = ((2, 3), (3, 4))  # latents D, data M
NODES = (0.0, 0.0, 0.0, 0.0, math.sqrt(3.0), -math.sqrt(3.0))


def _f64(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().to(torch.float64).numpy() for tensor in tensors]


def _tensors(**arrays: Any) -> dict[str, Tensor]:
    pairs = arrays.items()
    return {name: torch.as_tensor(np.asarray(a), dtype=torch.float64) for name, a in pairs}


def _randn(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _cast(point: Point, **call: Tensor) -> list[Call]:
    return [{name: value.to(point.dtype) for name, value in call.items()}]


def _uniform(point: Point, low: float, high: float, *shape: int) -> Tensor:
    draws = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return low + (high - low) * draws


def _away(point: Point, *shape: int) -> Tensor:
    """Numbers of either sign that stay away from 0, where mistakes would not show."""
    sign = _randn(point, *shape).sign()
    return sign * _uniform(point, 0.5, 1.2, *shape)


def _model(point: Point) -> Call:
    """A has positive entries, so that the posterior is correlated."""
    latents, data = SIZES[point.index % 2]
    noise = _uniform(point, 0.6, 0.8)
    return {"a": _uniform(point, 0.4, 1.2, data, latents), "y": _away(point, data), "noise": noise}


def _diagonal(point: Point) -> Call:
    latents, _ = SIZES[point.index % 2]
    return {"loc": _away(point, latents), "log_scale": _uniform(point, -0.9, -0.3, latents)}


def _full(point: Point) -> Call:
    """The upper triangle of raw is not 0: L must not depend on it."""
    latents, _ = SIZES[point.index % 2]
    raw = _away(point, latents, latents)
    diagonal = _uniform(point, -0.9, -0.3, latents)
    return {"loc": _away(point, latents), "raw": raw - raw.diagonal().diag() + diagonal.diag()}


def _grid(latents: int) -> Tensor:
    nodes = torch.tensor(NODES, dtype=torch.float64)
    return torch.cartesian_prod(*[nodes] * latents)


def _draws(point: Point) -> Tensor:
    return _randn(point, 5, SIZES[point.index % 2][0])


def _held(
    calls: list[Call], outputs: Outputs, truth: Truth, concepts: dict[str, str]
) -> dict[str, Finding]:
    """One call; each result of the driver against the truth, relative to 1 + max |truth|."""
    (call,), (output,) = calls, outputs
    exact, found = truth(**call), {}
    for concept, name in concepts.items():
        gap = (output[name].double() - exact[name]).abs().max()
        limit = TOLERANCE[call["eps"].dtype]
        found[concept] = Finding.error(float(gap / (1 + exact[name].abs().max())), limit)
    return found


# Parts a and b: terms


def inputs_a(point: Point) -> list[Call]:
    """Five draws that are not draws of q."""
    q = _diagonal(point)
    model, scale = _model(point), q["log_scale"].exp()
    return _cast(point, z=1.5 * _draws(point), **model, loc=q["loc"], scale=scale)


def truth_a(
    z: Tensor, a: Tensor, y: Tensor, noise: Tensor, loc: Tensor, scale: Tensor
) -> dict[str, Tensor]:
    """By scipy; the likelihood by Bayes' rule: p(y) p(z | y) / p(z)."""
    rows, matrix, data, s, m, width = _f64(z, a, y, noise, loc, scale)
    centre, covariance = _posterior(matrix, data, s)
    prior = multivariate_normal(np.zeros(rows.shape[1])).logpdf(rows)
    posterior = multivariate_normal(centre, covariance).logpdf(rows)
    return _tensors(
        log_likelihood=_log_evidence(matrix, data, s) + posterior - prior,
        log_prior=prior,
        log_q=norm(m, width).logpdf(rows).sum(1),
    )


def _posterior(a: np.ndarray, y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of z given y, through the M x M covariance of y."""
    gain = np.linalg.solve(a @ a.T + s**2 * np.eye(len(y)), a).T
    covariance = np.eye(a.shape[1]) - gain @ a
    return gain @ y, 0.5 * (covariance + covariance.T)


def _log_evidence(a: np.ndarray, y: np.ndarray, s: np.ndarray) -> float:
    return multivariate_normal(np.zeros(len(y)), a @ a.T + s**2 * np.eye(len(y))).logpdf(y)


def inputs_b(point: Point) -> list[Call]:
    """A diagonal normal away from the posterior."""
    q = _diagonal(point)
    return _cast(point, **_model(point), loc=q["loc"], scale=q["log_scale"].exp())


def truth_b(a: Tensor, y: Tensor, noise: Tensor, loc: Tensor, scale: Tensor) -> dict[str, Tensor]:
    """By the mean over the Gauss-Hermite nodes."""
    z = loc.double() + scale.double() * _grid(len(loc))
    terms = truth_a(z, a, y, noise, loc, scale)
    kl = (terms["log_q"] - terms["log_prior"]).mean()
    return {"expected_log_likelihood": terms["log_likelihood"].mean(), "kl": kl}


# Parts c and d: the diagonal normal


def inputs_c(point: Point) -> list[Call]:
    """Five rows of noise."""
    return _cast(point, eps=_draws(point), **_diagonal(point))


def truth_c(eps: Tensor, loc: Tensor, log_scale: Tensor) -> dict[str, Tensor]:
    """The quantile function of a normal at the noise's probability; gradients by hand."""
    noise, m, log_width = _f64(eps, loc, log_scale)
    width = np.exp(log_width)
    z = norm(m, width).ppf(norm.cdf(noise))
    log_scale_gradient = (z * (z - m)).sum(0)
    return _tensors(z=z, loc_gradient=z.sum(0), log_scale_gradient=log_scale_gradient)


def judge_c(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Draws and gradients."""
    return _held(calls, outputs, truth_c, {"draw": "z"} | DIAGONAL)


def inputs_d(point: Point) -> list[Call]:
    """All Gauss-Hermite nodes as noise."""
    q = _diagonal(point)
    return _cast(point, eps=_grid(len(q["loc"])), **q, **_model(point))


def truth_d(
    eps: Tensor, loc: Tensor, log_scale: Tensor, a: Tensor, y: Tensor, noise: Tensor
) -> dict[str, Tensor]:
    """Log p(y) - KL(q || posterior), and its gradient by hand."""
    m, log_width = _f64(loc, log_scale)
    elbo, pull, precision = _elbo(m, np.diag(np.exp(2 * log_width)), a, y, noise)
    log_scale_gradient = 1 - np.exp(2 * log_width) * np.diag(precision)
    return _tensors(elbo=elbo, loc_gradient=pull, log_scale_gradient=log_scale_gradient)


def judge_d(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Estimate and gradients."""
    return _held(calls, outputs, truth_d, {"estimate": "elbo"} | DIAGONAL)


def _elbo(
    m: np.ndarray, covariance: np.ndarray, a: Tensor, y: Tensor, noise: Tensor
) -> tuple[float, np.ndarray, np.ndarray]:
    """ELBO of N(m, covariance), its gradient in m, and the posterior's precision."""
    matrix, data, s = _f64(a, y, noise)
    centre, posterior = _posterior(matrix, data, s)
    precision, off = np.linalg.inv(posterior), m - centre
    ratio = precision @ covariance
    kl = 0.5 * (np.trace(ratio) - len(m) - np.linalg.slogdet(ratio)[1] + off @ precision @ off)
    return _log_evidence(matrix, data, s) - kl, -precision @ off, precision


# Parts e and f: the full normal


def _factor(raw: np.ndarray) -> np.ndarray:
    lower = np.zeros_like(raw)
    for i, j in np.ndindex(raw.shape):
        lower[i, j] = raw[i, j] if i > j else float(i == j) * math.exp(raw[i, i])
    return lower


def inputs_e(point: Point) -> list[Call]:
    """Five rows of noise."""
    return _cast(point, eps=_draws(point), **_full(point))


def truth_e(eps: Tensor, loc: Tensor, raw: Tensor) -> dict[str, Tensor]:
    """Log q by scipy from the covariance; gradients by hand."""
    noise, m, free = _f64(eps, loc, raw)
    lower = _factor(free)
    z = np.stack([m + lower @ row for row in noise])
    inside = np.tril(z.T @ noise) * np.where(np.eye(len(m)), lower, 1.0)
    return _tensors(
        z=z,
        log_q=multivariate_normal(m, lower @ lower.T).logpdf(z),
        loc_gradient=z.sum(0),
        raw_gradient=inside - len(noise) * np.eye(len(m)),
    )


def judge_e(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Draws, densities and the gradient in raw."""
    concepts = {"draw": "z", "log q": "log_q", "gradient in raw": "raw_gradient"}
    return _held(calls, outputs, truth_e, concepts)


def inputs_f(point: Point) -> list[Call]:
    """All Gauss-Hermite nodes as noise."""
    q = _full(point)
    return _cast(point, eps=_grid(len(q["loc"])), **q, **_model(point))


def truth_f(
    eps: Tensor, loc: Tensor, raw: Tensor, a: Tensor, y: Tensor, noise: Tensor
) -> dict[str, Tensor]:
    """Log p(y) - KL(q || posterior), and its gradient by hand."""
    m, free = _f64(loc, raw)
    lower = _factor(free)
    elbo, pull, precision = _elbo(m, lower @ lower.T, a, y, noise)
    chain = np.where(np.eye(len(m)), lower, 1.0)
    raw_gradient = np.tril(-precision @ lower) * chain + np.eye(len(m))
    return _tensors(elbo=elbo, loc_gradient=pull, raw_gradient=raw_gradient)


def judge_f(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Estimate and gradients."""
    return _held(calls, outputs, truth_f, {"estimate": "elbo"} | FULL)


# Part g


def inputs_g(point: Point) -> list[Call]:
    """A model alone."""
    return _cast(point, **_model(point))


def truth_g(a: Tensor, y: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """The best variance of a coordinate is its posterior variance given all the others."""
    centre, covariance = _posterior(*_f64(a, y, noise))
    variances = []
    for i in range(len(centre)):
        rest = [j for j in range(len(centre)) if j != i]
        block, cross = covariance[np.ix_(rest, rest)], covariance[i, rest]
        variances.append(covariance[i, i] - cross @ np.linalg.solve(block, cross))
    elbo, _, _ = _elbo(centre, np.diag(variances), a, y, noise)
    gap = _log_evidence(*_f64(a, y, noise)) - elbo
    return _tensors(loc=centre, scale=np.sqrt(variances), gap=gap)
