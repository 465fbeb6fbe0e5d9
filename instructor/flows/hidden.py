"""Inputs and exact answers of the sheet flows.

Truth is computed another way than in the solution: paths through the network counted one by one,
Jacobians by automatic differentiation, inverses checked by running forward, gaps by Gauss-Hermite
quadrature and by numerical optimisation.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from zoo.homework.api import Finding, Point
from zoo.homework.judge import relative_error

Call = dict[str, Any]
Results = dict[str, Tensor]
LOOSE, TIGHT = 2e-4, 1e-6  # float32, float64


def _draw(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _uniform(point: Point, low: float, high: float, *shape: int) -> Tensor:
    drawn = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return low + (high - low) * drawn


def _call(point: Point, **inputs: Tensor) -> Call:
    return {name: value.to(point.dtype) for name, value in inputs.items()}


def _double(inputs: dict[str, Tensor]) -> Results:
    return {name: value.double() for name, value in inputs.items()}


def _degrees(point: Point, hidden: int, size: int) -> Tensor:
    """Every degree from 1 to size - 1 occurs; their order is drawn."""
    return (1 + torch.arange(hidden) % (size - 1))[
        torch.randperm(hidden, generator=point.generator)
    ]


def inputs_a(point: Point) -> list[Call]:
    """Two sizes; more and fewer hidden units than inputs."""
    return [
        {"degrees": _degrees(point, 9, 4), "size": 4},
        {"degrees": _degrees(point, 5, 6), "size": 6},
        {"degrees": _degrees(point, 3, 2), "size": 2},
    ]


def truth_a(degrees: Tensor, size: int) -> Results:
    """One entry at a time, as the rule is stated."""
    units = degrees.tolist()
    first = [[1.0 if i <= d else 0.0 for i in range(1, size + 1)] for d in units]
    second = [[1.0 if d < i else 0.0 for d in units] for i in range(1, size + 1)]
    double = torch.float64
    return {
        "first": torch.tensor(first, dtype=double),
        "second": torch.tensor(second, dtype=double),
    }


def judge_a(calls: list[Call], outputs: list[Results]) -> dict[str, Finding]:
    """Each mask, and whether the paths from inputs to outputs are the autoregressive ones."""
    errors = {"hidden mask": 0.0, "output mask": 0.0, "paths": 0.0}
    for call, out in zip(calls, outputs, strict=True):
        truth = truth_a(**call)
        for concept, name in (("hidden mask", "first"), ("output mask", "second")):
            errors[concept] = max(errors[concept], relative_error(out[name], truth[name]))
        paths = out["second"].double() @ out["first"].double()
        wanted = torch.ones(call["size"], call["size"], dtype=torch.float64).tril(-1)
        gap = ((paths > 0).double() - wanted).abs().max().item()
        errors["paths"] = max(errors["paths"], gap)
    return {concept: Finding.error(error, TIGHT) for concept, error in errors.items()}


def _layer(point: Point, size: int, hidden: int) -> Results:
    """Masked weights whose log-scales are mostly between -1 and 1."""
    masks = truth_a(_degrees(point, hidden, size), size)
    scale = torch.cat([torch.ones(size), 0.5 * torch.ones(size)]).double()
    return dict(
        w1=_draw(point, hidden, size) * masks["first"],
        b1=0.3 * _draw(point, hidden),
        w2=_draw(point, 2 * size, hidden) * masks["second"].repeat(2, 1) * scale[:, None] * 0.7,
        b2=_uniform(point, 0.2, 0.8, 2 * size) * torch.sign(_draw(point, 2 * size)),
    )


def _forward(u: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """One row (D,) through the layer, one coordinate at a time."""
    size, rows = len(u), []
    hidden = [torch.tanh(w.dot(u) + b) for w, b in zip(w1, b1, strict=True)]
    for i in range(size):
        shift = b2[i] + sum(w * h for w, h in zip(w2[i], hidden, strict=True))
        log_scale = b2[size + i] + sum(w * h for w, h in zip(w2[size + i], hidden, strict=True))
        rows.append(shift + torch.exp(log_scale) * u[i])
    return torch.stack(rows)


def inputs_b(point: Point) -> list[Call]:
    """Two sizes."""
    return [
        _call(point, u=_draw(point, rows, size), **_layer(point, size, hidden))
        for rows, size, hidden in ((4, 3, 5), (3, 5, 8))
    ]


def truth_b(u: Tensor, **weights: Tensor) -> Results:
    """The determinant of the dense Jacobian of each row."""
    weights = _double(weights)

    def one(row: Tensor) -> Tensor:
        return _forward(row, **weights)

    rows = list(u.double())
    dets = [torch.linalg.slogdet(jacobian(one, row)).logabsdet for row in rows]
    return {"z": torch.stack([one(row) for row in rows]), "log_det": torch.stack(dets)}


def inputs_c(point: Point) -> list[Call]:
    """Two sizes; w . a positive in one and negative in the other, above -1."""
    calls = []
    for rows, size, low, high in ((5, 3, 0.8, 1.6), (4, 2, -0.8, -0.5)):
        w, v = _draw(point, size), _draw(point, size)
        a = v + (_uniform(point, low, high) - w @ v) * w / (w @ w)
        u, b = _draw(point, rows, size), _uniform(point, 0.2, 0.6)
        calls.append(_call(point, u=u, a=a, w=w, b=b))
    return calls


def truth_c(u: Tensor, **layer: Tensor) -> Results:
    """The determinant of the dense Jacobian of each row."""
    a, w, b = (layer[name].double() for name in ("a", "w", "b"))

    def one(row: Tensor) -> Tensor:
        return row + a * torch.tanh(torch.dot(row, w) + b)

    rows = list(u.double())
    dets = [torch.linalg.slogdet(jacobian(one, row)).logabsdet for row in rows]
    return {"z": torch.stack([one(row) for row in rows]), "log_det": torch.stack(dets)}


def inputs_d(point: Point) -> list[Call]:
    """Several layers, and one."""
    return [
        _call(
            point,
            eps=_draw(point, rows, size),
            log_sd=0.4 * _draw(point, rows, size) - 0.5,
            log_dets=_draw(point, layers, rows) + 0.3,
        )
        for rows, size, layers in ((4, 3, 2), (2, 5, 4), (6, 2, 1))
    ]


def truth_d(eps: Tensor, log_sd: Tensor, log_dets: Tensor) -> Results:
    """The density of the multivariate normal that layers z -> c z of these determinants give."""
    eps, log_sd, log_dets = eps.double(), log_sd.double(), log_dets.double()
    factor = (log_dets.sum(0) / eps.shape[1]).exp()[:, None]
    sd = factor * log_sd.exp()
    q = MultivariateNormal(torch.zeros_like(eps), torch.diag_embed(sd**2))
    return {"log_q": q.log_prob(sd * eps)}


def inputs_e(point: Point) -> list[Call]:
    """Outputs of layers of two sizes."""
    calls = []
    for rows, size, hidden in ((4, 3, 5), (3, 5, 8)):
        layer = _layer(point, size, hidden)
        z = torch.stack([_forward(u, **layer) for u in _draw(point, rows, size)])
        calls.append(_call(point, z=z, **layer))
    return calls


def judge_e(calls: list[Call], outputs: list[Results]) -> dict[str, Finding]:
    """The student's u, run forward, must give z: of every row, and of its first coordinate."""
    every, first = 0.0, 0.0
    for call, out in zip(calls, outputs, strict=True):
        weights = _double({name: value for name, value in call.items() if name != "z"})
        z = call["z"].double()
        again = torch.stack([_forward(u, **weights) for u in out["u"].double().reshape(z.shape)])
        gap = ((again - z).abs() / (1 + z.abs().max())).nan_to_num(nan=math.inf)
        every, first = max(every, gap.max().item()), max(first, gap[:, 0].max().item())
    tolerance = TIGHT if calls[0]["z"].dtype == torch.float64 else LOOSE
    return {
        "first coordinate": Finding.error(first, tolerance),
        "all coordinates": Finding.error(every, tolerance),
    }


def _posterior(point: Point, rows: int, size: int) -> Results:
    # correlations of one factor: always positive definite, and never small
    factor = _uniform(point, 0.6, 0.85, size) * torch.sign(_draw(point, size))
    correlation = torch.outer(factor, factor) + torch.diag(1 - factor**2)
    spread = _uniform(point, 0.6, 2.5, size)
    precision = spread[:, None] * correlation * spread
    mean = _draw(point, rows, size)
    signs = torch.sign(_draw(point, rows, size))
    return dict(
        loc=mean + 0.5 * signs / spread,
        log_sd=-spread.log() + _uniform(point, 0.2, 0.4, rows, size) * signs.flip(0),
        mean=mean,
        precision=precision,
    )


def inputs_f(point: Point) -> list[Call]:
    """Two and three latents."""
    return [_call(point, **_posterior(point, 5, 2)), _call(point, **_posterior(point, 4, 3))]


def truth_f(loc: Tensor, log_sd: Tensor, mean: Tensor, precision: Tensor) -> Results:
    """E_q[log q - log p(z | x)] by quadrature, exact as the integrand is a quadratic."""
    loc, log_sd, mean, precision = (t.double() for t in (loc, log_sd, mean, precision))
    places, weights = (torch.tensor(v) for v in np.polynomial.hermite_e.hermegauss(4))
    size = loc.shape[1]
    nodes = torch.cartesian_prod(*[places] * size)
    mass = torch.cartesian_prod(*[weights / weights.sum()] * size).prod(-1)
    q = Independent(Normal(loc, log_sd.exp()), 1)
    z = loc + log_sd.exp() * nodes[:, None]
    p = MultivariateNormal(mean, precision_matrix=precision)
    return {"gap": mass @ (q.log_prob(z) - p.log_prob(z))}


def inputs_g(point: Point) -> list[Call]:
    """Two and three latents."""
    return [_call(point, **_posterior(point, 5, 2)), _call(point, **_posterior(point, 4, 3))]


def truth_g(loc: Tensor, log_sd: Tensor, mean: Tensor, precision: Tensor) -> Results:
    """The best diagonal normal by numerical optimisation of the divergence."""
    p = MultivariateNormal(mean.double()[0], precision_matrix=precision.double())
    best = [loc.double()[0].clone(), log_sd.double()[0].clone()]
    for tensor in best:
        tensor.requires_grad_()

    def divergence() -> Tensor:
        q = MultivariateNormal(best[0], torch.diag_embed((2 * best[1]).exp()))
        return kl_divergence(q, p)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = divergence()
        loss.backward()
        return loss

    optimiser = torch.optim.LBFGS(
        best,
        max_iter=500,
        tolerance_grad=1e-11,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )
    optimiser.step(step)
    approximation = divergence().detach()
    total = truth_f(loc, log_sd, mean, precision)["gap"]
    return {"approximation": approximation, "amortisation": total - approximation}
