"""Inputs and exact answers of the sheet iwae.

Truth is computed another way than in the solution: posterior and evidence in closed form, moments
of linear chains, Gauss-Hermite quadrature over the noise, sums in another order.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from zoo.homework.api import Finding, Point
from zoo.homework.judge import relative_error
from zoo.metrics.pareto import fit_pareto

Call = dict[str, Any]
Results = dict[str, Tensor]
LOOSE, TIGHT = 2e-4, 1e-6  # float32, float64
NODES = 40  # of a quadrature, for each of K = 2 draws
STEPS, CHAIN_NODES = 3, 30  # T; nodes for the start and each of T - 1 transitions


def _draw(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _uniform(point: Point, low: float, high: float, *shape: int) -> Tensor:
    drawn = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return low + (high - low) * drawn


def _call(point: Point, **inputs: Tensor) -> Call:
    return {name: value.to(point.dtype) for name, value in inputs.items()}


def _worst(call: Call, *pairs: tuple[Tensor, Tensor]) -> Finding:
    double = any(value.dtype == torch.float64 for value in call.values())
    return Finding.error(max(relative_error(*pair) for pair in pairs), TIGHT if double else LOOSE)


def _grid(nodes: int, dimensions: int) -> tuple[Tensor, Tensor]:
    """Points (nodes ** dimensions, dimensions) and weights of a standard normal, float64."""
    places, weights = (torch.tensor(v) for v in np.polynomial.hermite_e.hermegauss(nodes))
    weights = weights / weights.sum()
    points = torch.cartesian_prod(*[places] * dimensions).reshape(-1, dimensions)
    mass = torch.cartesian_prod(*[weights] * dimensions).reshape(-1, dimensions).prod(-1)
    return points, mass


def _posterior(x: Tensor, slope: Tensor, noise: Tensor) -> MultivariateNormal:
    """p(z | x) for z ~ N(0, I), x | z ~ N(A z, s^2 I)."""
    precision = torch.eye(slope.shape[1], dtype=slope.dtype) + slope.T @ slope / noise**2
    mean = torch.linalg.solve(precision, slope.T @ x.T / noise**2).T
    return MultivariateNormal(mean, precision_matrix=precision)


def _evidence(x: Tensor, slope: Tensor, noise: Tensor) -> Tensor:
    covariance = slope @ slope.T + noise**2 * torch.eye(len(slope), dtype=slope.dtype)
    return MultivariateNormal(torch.zeros_like(x), covariance).log_prob(x)


def _guided(point: Point, draws: int, rows: int, latents: int, features: int) -> Results:
    slope = _draw(point, features, latents)
    noise = _uniform(point, 0.6, 0.9)
    x = _draw(point, rows, latents) @ slope.T + noise * _draw(point, rows, features)
    posterior = _posterior(x, slope, noise)
    # beside the posterior and wider, so that quadrature over the weights converges
    sd = posterior.variance.sqrt()
    loc = posterior.mean + sd * _uniform(point, 0.2, 0.5, rows, latents)
    log_sd = sd.log() + _uniform(point, 0.1, 0.3, rows, latents)
    eps = _draw(point, draws, rows, latents)
    return dict(eps=eps, x=x, loc=loc, log_sd=log_sd, slope=slope, noise=noise)


def _log_weights(
    eps: Tensor, x: Tensor, loc: Tensor, log_sd: Tensor, slope: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """By Bayes' rule: log p(x) + log p(z | x) - log q(z | x)."""
    z = torch.addcmul(loc.expand_as(eps), log_sd.exp().expand_as(eps), eps)
    guide = Normal(loc, log_sd.exp()).log_prob(z).sum(-1)
    log_w = _evidence(x, slope, noise) + _posterior(x, slope, noise).log_prob(z) - guide
    return z, log_w


def inputs_a(point: Point) -> list[Call]:
    """Two sizes, so that an axis that is mistaken shows."""
    return [_call(point, **_guided(point, *sizes)) for sizes in ((5, 4, 2, 3), (3, 6, 3, 4))]


def truth_a(**inputs: Tensor) -> Results:
    """Draws and log-weights by Bayes' rule."""
    z, log_w = _log_weights(**{name: value.double() for name, value in inputs.items()})
    return {"z": z, "log_w": log_w}


def inputs_b(point: Point) -> list[Call]:
    """Ordinary weights, one draw, and weights far outside the range of exp."""
    far = _uniform(point, 2000, 5000, 3) * torch.tensor([-1.0, 1.0, -1.0])
    return [
        _call(point, log_w=1.5 * _draw(point, 7, 4) - 3),
        _call(point, log_w=2 * _draw(point, 24, 3) + 2),
        _call(point, log_w=3 * _draw(point, 1, 5)),
        _call(point, log_w=2 * _draw(point, 6, 3) + far),
    ]


def truth_b(log_w: Tensor) -> Results:
    """Weights added one after another, in logarithms."""
    total = np.logaddexp.reduce(log_w.double().numpy(), axis=0)
    return {"bound": torch.tensor(total - math.log(len(log_w)))}


def judge_b(calls: list[Call], outputs: list[Results]) -> dict[str, Finding]:
    """The bound on ordinary weights, K = 1, and range."""
    pairs = [
        (out["bound"], truth_b(**call)["bound"]) for call, out in zip(calls, outputs, strict=True)
    ]
    return {
        "mean of weights": _worst(calls[0], *pairs[:2]),
        "one draw": _worst(calls[0], pairs[2]),
        "range": _worst(calls[0], pairs[3]),
    }


def inputs_c(point: Point) -> list[Call]:
    """Random noise for the value of the estimator; quadrature nodes for its exact mean."""
    one = _guided(point, 2, 1, 1, 2)
    nodes, _ = _grid(NODES, 2)
    many = {name: one[name].expand(len(nodes), -1) for name in ("x", "loc", "log_sd")}
    exact = one | many | {"eps": nodes.T[..., None]}
    return [_call(point, **_guided(point, 5, 6, 2, 3)), _call(point, **exact)]


def _estimator(
    eps: Tensor, x: Tensor, loc: Tensor, log_sd: Tensor, slope: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Squared normalised weight times d log w / dz times dz / dphi, all in closed form."""
    z, log_w = _log_weights(eps, x, loc, log_sd, slope, noise)
    w = (log_w - log_w.max(0).values).exp()
    w = w / w.sum(0)
    slopes = (x - z @ slope.T) @ slope / noise**2 - z + (z - loc) / log_sd.exp() ** 2
    by_loc = w[..., None] ** 2 * slopes
    return by_loc.sum(0), (by_loc * eps * log_sd.exp()).sum(0)


def _slope_of_bound(call: dict[str, Tensor], nodes: int) -> tuple[Tensor, Tensor]:
    """The gradient of E[L_2] of one row with respect to m and r, by quadrature."""
    points, mass = _grid(nodes, 2)
    loc = call["loc"][:1].clone().requires_grad_()
    log_sd = call["log_sd"][:1].clone().requires_grad_()
    changed = {"eps": points.T[..., None], "x": call["x"][:1], "loc": loc, "log_sd": log_sd}
    _, log_w = _log_weights(**call | changed)
    bound = (mass * (torch.logsumexp(log_w, 0) - math.log(2))).sum()
    by_loc, by_sd = torch.autograd.grad(bound, (loc, log_sd))
    return by_loc.squeeze(), by_sd.squeeze()


def judge_c(calls: list[Call], outputs: list[Results]) -> dict[str, Finding]:
    """Signs: outputs are gradients of the loss, truth of the bound."""
    first, exact = ({k: v.double() for k, v in call.items()} for call in calls)
    by_loc, by_sd = _estimator(**first)
    value = [(-outputs[0]["grad_loc"], by_loc), (-outputs[0]["grad_log_sd"], by_sd)]
    _, mass = _grid(NODES, 2)
    means = [-mass @ outputs[1][k].double().reshape(-1) for k in ("grad_loc", "grad_log_sd")]
    truth = _slope_of_bound(exact, 70)
    return {
        "estimator": _worst(calls[0], *value),
        "unbiased": _worst(calls[0], *zip(means, truth, strict=True)),
    }


def inputs_d(point: Point) -> list[Call]:
    """Ordinary weights, equal weights, and weights far outside the range of exp."""
    far = _uniform(point, 2000, 5000, 3) * torch.tensor([-1.0, 1.0, -1.0])
    return [
        _call(point, log_w=_draw(point, 9, 4) - 2, values=2 + _draw(point, 9, 4)),
        _call(point, log_w=_draw(point, 1, 3).expand(8, 3), values=_draw(point, 8, 3)),
        _call(point, log_w=2 * _draw(point, 12, 3) + far, values=_draw(point, 12, 3) - 1),
    ]


def truth_d(log_w: Tensor, values: Tensor) -> Results:
    """NumPy's weighted average, and (sum w)^2 / sum w^2 with w relative to the largest."""
    logs = log_w.double().numpy()
    w = np.exp(logs - logs.max(0))
    estimate = np.average(values.double().numpy(), axis=0, weights=w)
    return {
        "estimate": torch.tensor(estimate),
        "ess": torch.tensor(w.sum(0) ** 2 / (w * w).sum(0)),
    }


def inputs_e(point: Point) -> list[Call]:
    """Short and long tails, which differ in the rule for M."""
    return [
        _call(point, log_w=1.3 * _draw(point, size) + shift)
        for size, shift in ((40, 0.0), (103, -30.0), (1000, 800.0))
    ]


def truth_e(log_w: Tensor) -> Results:
    """By a partition in NumPy rather than a sort."""
    logs = log_w.double().numpy()
    count = -int(-min(len(logs) / 5, 3 * len(logs) ** 0.5) // 1)
    ranked = np.partition(logs, [-count - 1])
    tail = np.exp(np.sort(ranked[-count:]) - logs.max())
    return {"excess": torch.tensor(tail - np.exp(ranked[-count - 1] - logs.max()))}


def inputs_f(point: Point) -> list[Call]:
    """Tails of known shapes, light and heavy: quantiles of a generalised Pareto distribution."""
    calls = []
    for count, k in ((25, 0.2), (80, 0.7), (60, -0.2)):
        p = _uniform(point, 0.001, 0.999, count).sort().values
        scale = _uniform(point, 0.05, 0.2)
        calls.append(_call(point, excess=scale * torch.expm1(-k * torch.log1p(-p)) / k))
    return calls


def truth_f(excess: Tensor) -> Results:
    """By the zoo's fit, which works with logarithms of the excesses."""
    return {"k": fit_pareto(excess.double()[:, None])[0][0]}


def _annealed(point: Point) -> Results:
    slope = _uniform(point, 0.4, 0.9, 3)
    noise = _uniform(point, 0.8, 1.2)
    x = _draw(point, 1) * slope + noise * _draw(point, 3) + 0.5
    first = _uniform(point, 0.08, 0.2)
    betas = torch.stack([first * 0, first, first + _uniform(point, 0.2, 0.4), first * 0 + 1])
    return dict(betas=betas, x=x, slope=slope, noise=noise)


def _tempered(betas: Tensor, x: Tensor, slope: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each pi_beta, proportional to N(z; 0, 1) p(x | z)^beta."""
    variance = 1 / (1 + betas * slope.dot(slope) / noise**2)
    return variance * betas * slope.dot(x) / noise**2, variance


def inputs_g(point: Point, *, backwards: bool = False) -> list[Call]:
    """All noise of the chains at the nodes of a quadrature, from the prior or the posterior."""
    nodes, _ = _grid(CHAIN_NODES, STEPS)
    problem = _annealed(point)
    means, variances = _tempered(**problem)
    start = -1 if backwards else 0
    z = means[start] + variances[start].sqrt() * nodes[:, 0]
    return [_call(point, z=z, eps=nodes[:, 1:].T, **problem)]


inputs_h = partial(inputs_g, backwards=True)


def _mean_log_weight(betas: Tensor, x: Tensor, slope: Tensor, noise: Tensor) -> Tensor:
    """E[log w] from mean and variance of each state, as the chain is linear; betas as it runs."""
    means, variances = _tempered(betas, x, slope, noise)
    mean, variance = means[0], variances[0]
    total = torch.zeros((), dtype=torch.float64)
    constant = len(x) * (2 * math.pi * noise**2).log()
    for t in range(1, len(betas)):
        squares = (x - slope * mean).square().sum() + slope.dot(slope) * variance
        total -= 0.5 * (betas[t] - betas[t - 1]).abs() * (constant + squares / noise**2)
        mean = means[t] + 0.6 * (mean - means[t])
        variance = 0.36 * variance + 0.64 * variances[t]
    return total


def judge_g(
    calls: list[Call], outputs: list[Results], *, backwards: bool = False
) -> dict[str, Finding]:
    """E[w] = p(x) forwards, E[1 / w] = 1 / p(x) backwards, and E[log w], each over all noise."""
    problem = {k: calls[0][k].double() for k in ("betas", "x", "slope", "noise")}
    _, mass = _grid(CHAIN_NODES, STEPS)
    log_w = outputs[0]["log_w"].double().reshape(mass.shape)
    evidence = _evidence(problem["x"][None], problem["slope"][:, None], problem["noise"])[0]
    sign, betas = (-1, problem["betas"].flip(0)) if backwards else (1, problem["betas"])
    log_mean = sign * torch.logsumexp(mass.log() + sign * log_w, 0)
    mean = _mean_log_weight(**problem | {"betas": betas})
    return {
        "identity": _worst(calls[0], (log_mean, evidence)),
        "mean of log w": _worst(calls[0], ((mass * log_w).sum(), mean)),
    }


judge_h = partial(judge_g, backwards=True)


def inputs_i(point: Point) -> list[Call]:
    """Different numbers of chains each way; weights far outside the range of exp."""
    return [
        _call(point, forward=1.5 * _draw(point, 9) - 12, reverse=1.5 * _draw(point, 6) - 8),
        _call(point, forward=2 * _draw(point, 5) - 3000, reverse=2 * _draw(point, 8) - 2990),
    ]


def truth_i(forward: Tensor, reverse: Tensor) -> Results:
    """By exact sums."""
    lower = truth_b(forward[:, None])["bound"][0]
    return {"lower": lower, "upper": -truth_b(-reverse[:, None])["bound"][0]}
