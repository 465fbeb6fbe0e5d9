"""Inputs and exact answers of the sheet on probabilistic PCA."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from zoo.homework.api import Finding, Point

Call = dict[str, Any]
SIZES = ((5, 2, 8), (6, 3, 11))  # D, K, N
DOUBLE = torch.float64


def _normal(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=DOUBLE)


def _cast(point: Point, call: Call) -> Call:
    return {n: v.to(point.dtype) if isinstance(v, Tensor) else v for n, v in call.items()}


def _parameters(point: Point, features: int, latent: int) -> Call:
    sigma = 0.4 + 0.3 * torch.rand((), generator=point.generator, dtype=DOUBLE)
    return {
        "w": 0.6 * _normal(point, features, latent),
        "mu": _normal(point, features),
        "sigma": sigma,
    }


def _rows(point: Point) -> Call:
    features, latent, rows = SIZES[point.index % 2]
    return {
        "x": 1.5 * _normal(point, rows, features) + 0.5,
        **_parameters(point, features, latent),
    }


def inputs_a(point: Point) -> list[Call]:
    """Parameters."""
    return [_cast(point, _parameters(point, *SIZES[point.index % 2][:2]))]


def truth_a(w: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    """Sum over the independent sources of x: each latent number, and each feature's noise."""
    w, sigma = w.to(DOUBLE), sigma.to(DOUBLE)
    noise = sigma * torch.eye(len(w), dtype=DOUBLE)
    sources = [*w.mT, *noise]
    return {"mean": mu.to(DOUBLE), "covariance": sum(torch.outer(s, s) for s in sources)}


def inputs_b(point: Point) -> list[Call]:
    """Rows and parameters."""
    return [_cast(point, _rows(point))]


def truth_b(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    """Conditioning: Cov(z, x) Cov(x)^-1 (x - mu), and I - Cov(z, x) Cov(x)^-1 Cov(x, z)."""
    x, w, mu = x.to(DOUBLE), w.to(DOUBLE), mu.to(DOUBLE)
    gain = torch.linalg.solve(truth_a(w, mu, sigma)["covariance"], w).mT
    return {
        "mean": (x - mu) @ gain.mT,
        "covariance": torch.eye(w.shape[1], dtype=DOUBLE) - gain @ w,
    }


def inputs_c(point: Point) -> list[Call]:
    """Ordinary rows; then little noise; then many features."""
    small = {**_rows(point), "sigma": torch.tensor(1e-3, dtype=DOUBLE)}
    z = _normal(point, len(small["x"]), small["w"].shape[1])
    noise = 1e-3 * _normal(point, *small["x"].shape)
    small["x"] = z @ small["w"].mT + small["mu"] + noise
    many = {"x": _normal(point, 4, 300), **_parameters(point, 300, 2)}
    many["sigma"] = torch.tensor(1e-2, dtype=DOUBLE)
    return [_cast(point, call) for call in (_rows(point), small, many)]


def truth_c(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    """Bayes' rule at the posterior mean: log p(x, z) - log p(z | x)."""
    x, w, mu, sigma = (each.to(DOUBLE) for each in (x, w, mu, sigma))
    precision = torch.eye(w.shape[1], dtype=DOUBLE) + w.mT @ w / sigma**2
    z = torch.linalg.lstsq(precision, w.mT @ (x - mu).mT / sigma**2).solution.mT
    joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ w.mT + mu, sigma).log_prob(x).sum(-1)
    return {"log_evidence": joint - MultivariateNormal(z, precision_matrix=precision).log_prob(z)}


def judge_c(calls: list[Call], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """With little noise, float32 rounds x itself too much to be compared: it has to be finite."""
    loose, ordinary = calls[0]["x"].dtype == torch.float32, 2e-3
    tolerance = ordinary if loose else 1e-6
    errors = []
    for call, output in zip(calls, outputs, strict=True):
        truth = truth_c(**call)["log_evidence"]
        gap = (output["log_evidence"].to(DOUBLE) - truth).abs().max()
        errors.append(float(gap / (1 + truth.abs().max())))
    finite = 0.0 if bool(outputs[1]["log_evidence"].isfinite().all()) else math.inf
    small = finite if loose else errors[1]
    return {
        "log evidence": Finding.error(errors[0], tolerance),
        "small noise": Finding.error(max(small, errors[2]), tolerance),
    }


def inputs_d(point: Point) -> list[Call]:
    """Rows of a model with columns of different lengths."""
    features, latent, _ = SIZES[point.index % 2]
    w = _normal(point, features, latent) + 1
    x = _normal(point, 40, latent) @ w.mT + 2 + 0.5 * _normal(point, 40, features)
    return [{"x": x.to(point.dtype), "latent": latent}]


def truth_d(x: Tensor, latent: int) -> dict[str, Tensor]:
    """By the singular values of the centred rows."""
    mu = x.to(DOUBLE).mean(0)
    _, singular, directions = torch.linalg.svd(x.to(DOUBLE) - mu, full_matrices=False)
    values = singular**2 / len(x)
    variance = values[latent:].sum() / (x.shape[1] - latent)
    kept = directions[:latent]
    square = kept.mT @ torch.diag(values[:latent] - variance) @ kept
    return {"mu": mu, "sigma": variance.sqrt(), "square": square}


def judge_d(calls: list[Call], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """W up to a rotation: W W'."""
    (call,), (output,) = calls, outputs
    w = output["w"].to(DOUBLE)
    got = {"mu": output["mu"], "sigma": output["sigma"], "square": w @ w.mT}
    names = {"mean of the rows": "mu", "noise": "sigma", "loadings": "square"}
    truth, tolerance = truth_d(**call), 2e-3 if call["x"].dtype == torch.float32 else 1e-6
    found = {}
    for concept, name in names.items():
        gap = (got[name].to(DOUBLE) - truth[name]).abs().max()
        found[concept] = Finding.error(float(gap / (1 + truth[name].abs().max())), tolerance)
    return found


def inputs_e(point: Point) -> list[Call]:
    """Rows and parameters, with mu other than the mean of the rows."""
    return [_cast(point, _rows(point))]


def truth_e(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    """Expected sufficient statistics, one row after another."""
    posterior = truth_b(x, w, mu, sigma)
    cross, second = (
        torch.zeros(w.shape, dtype=DOUBLE),
        torch.zeros(w.shape[1], w.shape[1], dtype=DOUBLE),
    )
    centred = x.to(DOUBLE) - mu.to(DOUBLE)
    for row, mean in zip(centred, posterior["mean"], strict=True):
        cross += torch.outer(row, mean)
        second += torch.outer(mean, mean) + posterior["covariance"]
    new = cross @ torch.linalg.inv(second)
    total = torch.zeros((), dtype=DOUBLE)
    for row, mean in zip(centred, posterior["mean"], strict=True):
        spread = new @ posterior["covariance"] @ new.mT
        total += (row - new @ mean).square().sum() + spread.trace()
    return {"w": new, "sigma": (total / centred.numel()).sqrt()}
