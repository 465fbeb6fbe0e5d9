"""Inputs and exact answers of the sheet on the Bernoulli VAE.

The trained parts are judged by numerical integration over the two latents, in float64; pictures
that students draw are counted and held against exact probabilities by binomial tests.
"""

import itertools
import math
from functools import cache
from typing import Any

import numpy as np
import scipy.stats
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import softplus

from zoo.homework.api import Finding, Point

Call = dict[str, Any]
Outputs = list[dict[str, Tensor]]
SIZES = ((5, 7, 2), (4, 6, 3))  # pictures N, pixels D, latents K
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-3}
COUNT = 20_000
GAIN = (1.6, 8.0)  # nats that log p(x) of the test pictures may gain over independent pixels
EXCESS = (-8.0, 1.4)  # nats by which this may exceed that of training pictures
GAP = (0.0, 2.0)  # nats between log p(x) and the ELBO


def _uniform(point: Point, low: float, high: float, *shape: int) -> Tensor:
    draws = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return low + (high - low) * draws


def _randn(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _away(point: Point, *shape: int) -> Tensor:
    """Numbers of either sign that stay away from 0, where mistakes would not show."""
    return _randn(point, *shape).sign() * _uniform(point, 0.5, 1.2, *shape)


def _bits(point: Point, *shape: int) -> Tensor:
    """Pictures; the first pixel is on in every other one."""
    bits = (_uniform(point, 0.0, 1.0, *shape) > 0.5).double()
    bits[:, 0] = torch.arange(shape[0]) % 2
    return bits


def _cast(point: Point, **call: Any) -> Call:
    pairs = call.items()
    return {name: v.to(point.dtype) if isinstance(v, Tensor) else v for name, v in pairs}


def _f64(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().to(torch.float64).numpy() for tensor in tensors]


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(np.asarray(value), dtype=torch.float64)


def _finding(call: Call, output: Call, name: str, want: Any) -> Finding:
    exact = _tensor(want)
    error = (output[name].double() - exact).abs().max() / (1 + exact.abs().max())
    dtype = next(v.dtype for v in call.values() if isinstance(v, Tensor))
    return Finding.error(float(error), TOLERANCE[dtype])


def _log_bernoulli(logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log p(x | logits) by the larger of two exponentials, summed over the last axis."""
    return -np.logaddexp(0.0, (1 - 2 * x) * logits).sum(-1)


# Parts a to c: the terms of the ELBO


def inputs_a(point: Point) -> list[Call]:
    """Moderate logits, then large ones, half of which contradict their pixel."""
    pictures, pixels, _ = SIZES[point.index % 2]
    x = _bits(point, pictures, pixels)
    large = (1 - 2 * x) * _uniform(point, 150.0, 200.0, pictures, pixels)
    large[:, ::2] *= -1
    logits = 2 * _away(point, pictures, pixels)
    return [_cast(point, logits=each, x=x) for each in (logits, large)]


def judge_a(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """One concept a call."""
    concepts = ("log likelihood", "large logits")
    return {
        concept: _finding(call, out, "log_likelihood", _log_bernoulli(*_f64(*call.values())))
        for concept, call, out in zip(concepts, calls, outputs, strict=True)
    }


def inputs_b(point: Point) -> list[Call]:
    """Means away from 0 and scales away from 1."""
    pictures, _, latents = SIZES[point.index % 2]
    scale = _uniform(point, 0.3, 0.7, pictures, latents)
    return [_cast(point, loc=_away(point, pictures, latents), scale=scale)]


def truth_b(loc: Tensor, scale: Tensor) -> dict[str, Tensor]:
    """The mean of log q - log p by Gauss-Hermite nodes."""
    (m, s), (nodes, weights) = _f64(loc, scale), np.polynomial.hermite_e.hermegauss(8)
    z = m[..., None] + s[..., None] * nodes
    ratio = scipy.stats.norm(m[..., None], s[..., None]).logpdf(z) - scipy.stats.norm.logpdf(z)
    return {"kl": _tensor((ratio @ weights / weights.sum()).sum(1))}


def _decoder(point: Point) -> dict[str, Tensor]:
    _, pixels, latents = SIZES[point.index % 2]
    return {"weight": _away(point, pixels, latents), "bias": _away(point, pixels)}


def inputs_c(point: Point) -> list[Call]:
    """Three draws for each picture."""
    pictures, pixels, latents = SIZES[point.index % 2]
    tensors = {
        "eps": _randn(point, 3, pictures, latents),
        "x": _bits(point, pictures, pixels),
        "loc": _away(point, pictures, latents),
        "scale": _uniform(point, 0.4, 0.7),
    }
    return [_cast(point, **tensors, **_decoder(point))]


def judge_c(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """One picture and one draw after another; gradients by hand."""
    (call,), (output,) = calls, outputs
    eps, x, m, s, weight, bias = _f64(*call.values())
    elbo, loc_gradient, weight_gradient = [], -m.copy(), np.zeros_like(weight)
    for n, draw in np.ndindex(len(x), len(eps)):
        z = m[n] + s * eps[draw, n]
        logits = weight @ z + bias
        pull = (x[n] - scipy.special.expit(logits)) / len(eps)
        loc_gradient[n] += weight.T @ pull
        weight_gradient += np.outer(pull, z)
        elbo.append(_log_bernoulli(logits, x[n]) / len(eps))
    kl = _f64(truth_b(call["loc"], call["scale"].expand_as(call["loc"]))["kl"])[0]
    return {
        "ELBO": _finding(call, output, "elbo", np.reshape(elbo, (len(x), -1)).sum(1) - kl),
        "gradient in loc": _finding(call, output, "loc_gradient", loc_gradient),
        "gradient in weight": _finding(call, output, "weight_gradient", weight_gradient),
    }


# Parts d and e: programs


def _program(point: Point) -> Call:
    pictures, pixels, latents = SIZES[point.index % 2]
    at = _away(point, pictures, latents)
    return {"x": _bits(point, pictures, pixels), "rows": 3 * pictures + 1, "at": at}


def inputs_d(point: Point) -> list[Call]:
    """A batch of a larger data set, and where z is held."""
    return [_cast(point, **_program(point), **_decoder(point))]


def judge_d(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Log densities by scipy at the held z."""
    (call,), (output,) = calls, outputs
    x, at, weight, bias = _f64(call["x"], call["at"], call["weight"], call["bias"])
    likelihood = _log_bernoulli(at @ weight.T + bias, x)
    if not bool(output["observed"]):
        output = {**output, "log_likelihood": torch.full_like(output["log_likelihood"], torch.nan)}
    ratio = call["rows"] / len(x)
    return {
        "prior": _finding(call, output, "log_prior", scipy.stats.norm.logpdf(at).sum(1)),
        "likelihood": _finding(call, output, "log_likelihood", likelihood),
        "plate": _finding(call, output, "scales", [ratio, ratio]),
    }


def inputs_e(point: Point) -> list[Call]:
    """A batch of a larger data set, and where q is evaluated; 5 hidden units."""
    _, pixels, latents = SIZES[point.index % 2]
    weights = {
        "hidden_weight": 0.5 * _away(point, 5, pixels),
        "loc_weight": _away(point, latents, 5),
        "log_scale_weight": 0.5 * _away(point, latents, 5),
    }
    return [_cast(point, **_program(point), **weights)]


def judge_e(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """The network one hidden unit after another; log q by scipy."""
    (call,), (output,) = calls, outputs
    names = ("x", "at", "hidden_weight", "loc_weight", "log_scale_weight")
    x, at, hidden, loc_weight, log_scale_weight = _f64(*(call[name] for name in names))
    loc, log_scale = np.zeros_like(at), np.zeros_like(at)
    for unit, row in enumerate(hidden):
        level = np.tanh((x * row).sum(1))
        loc += np.outer(level, loc_weight[:, unit])
        log_scale += np.outer(level, log_scale_weight[:, unit])
    log_q = scipy.stats.norm(loc, np.exp(log_scale)).logpdf(at).sum(1)
    return {
        "mean": _finding(call, output, "loc", loc),
        "scale": _finding(call, output, "scale", np.exp(log_scale)),
        "log q": _finding(call, output, "log_q", log_q),
        "plate": _finding(call, output, "plate_scale", call["rows"] / len(x)),
    }


# Part f: training


@cache
def _digits() -> Tensor:
    return torch.as_tensor(load_digits().data > 7.5).double()


def inputs_f(point: Point) -> list[Call]:
    """1,000 digits to train on and 150 others; a fixed scale at point 0, a learned one at 1."""
    order = torch.randperm(len(_digits()), generator=point.generator)
    x, test = _digits()[order[:1000]], _digits()[order[1000:1150]]
    learned = point.index % 2 == 1
    return [_cast(point, x=x, test=test, latent=2, hidden=32, learned=learned)]


def _log_decoded(output: Call, z: Tensor) -> Tensor:
    """Logits of the returned decoder: (..., 2) -> (..., D)."""
    hidden = torch.tanh(z @ output["hidden_weight"].double().mT + output["hidden_bias"].double())
    return hidden @ output["pixel_weight"].double().mT + output["pixel_bias"].double()


def _log_evidence(output: Call, test: Tensor) -> Tensor:
    """Log p(x) of each test picture, by the trapezoid rule on a grid of z."""
    line = torch.linspace(-5.0, 5.0, 61, dtype=torch.float64)
    z = torch.cartesian_prod(line, line)
    logits = _log_decoded(output, z)
    cell = 2 * math.log(float(line[1] - line[0])) - math.log(2 * math.pi)
    log_prior = cell - 0.5 * z.square().sum(1)
    log_likelihood = test @ logits.mT - softplus(logits).sum(1)
    return torch.logsumexp(log_likelihood + log_prior, dim=1)


def _elbo(output: Call, test: Tensor) -> Tensor:
    """The ELBO of each test picture, by Gauss-Hermite nodes."""
    nodes, weights = map(torch.as_tensor, np.polynomial.hermite_e.hermegauss(12))
    loc, scale = output["loc"].double(), output["scale"].double()
    z = loc[:, None, :] + scale[:, None, :] * torch.cartesian_prod(nodes, nodes)
    logits = _log_decoded(output, z)
    log_likelihood = (logits * test[:, None, :] - softplus(logits)).sum(2)
    mass = torch.cartesian_prod(weights, weights).prod(1)
    kl = 0.5 * (scale**2 + loc**2 - 1 - 2 * scale.log()).sum(1)
    return log_likelihood @ (mass / mass.sum()) - kl


def judge_f(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """What log p(x) gains over independent pixels, on which pictures, and the gap of the ELBO.

    Each band is wide against the spread of right solutions over seeds: see the rubric.
    """
    (call,), (output,) = calls, outputs
    x, test = call["x"].double(), call["test"].double()
    gain, trained = _gain(output, x, test), _gain(output, x, x[:400])
    gap = float((_log_evidence(output, test) - _elbo(output, test)).mean())
    return {
        "log evidence": Finding.within(gain, *GAIN),
        "held-out pictures": Finding.within(gain - trained, *EXCESS),
        "gap": Finding.within(gap, *GAP),
    }


def _gain(output: Call, x: Tensor, pictures: Tensor) -> float:
    """Mean log p(x) of pictures, less that of independent pixels with the frequencies in x."""
    mean = (x.sum(0) + 1) / (len(x) + 2)
    pixels = pictures @ mean.log() + (1 - pictures) @ (1 - mean).log()
    return float((_log_evidence(output, pictures) - pixels).mean())


# Parts g and h: pictures


def inputs_g(point: Point) -> list[Call]:
    """A decoder of two latents."""
    _, pixels, _ = SIZES[point.index % 2]
    decoder = {"weight": 2 * _away(point, pixels, 2), "bias": _away(point, pixels)}
    return [_cast(point, count=COUNT, **decoder)]


def _binomial(count: int, probability: float) -> float:
    """Two-sided p-value of a count out of `COUNT`, at most 1."""
    exact = scipy.stats.binom(COUNT, probability)
    return min(1.0, 2 * min(exact.cdf(count), exact.sf(count - 1)))


def judge_g(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """Binomial tests with Bonferroni's correction: of each pixel, and of each pair being equal."""
    (call,), (output,) = calls, outputs
    on = output["x"].double() > 0.5
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = np.array(list(itertools.product(nodes, nodes)))
    mass = np.outer(weights, weights).ravel() / weights.sum() ** 2
    weight, bias = _f64(call["weight"], call["bias"])
    p = scipy.special.expit(z @ weight.T + bias)
    single = [_binomial(int(on[:, d].sum()), mass @ p[:, d]) for d in range(p.shape[1])]
    pairs = list(itertools.combinations(range(p.shape[1]), 2))
    equal = [mass @ (p[:, i] * p[:, j] + (1 - p[:, i]) * (1 - p[:, j])) for i, j in pairs]
    counts = [int((on[:, i] == on[:, j]).sum()) for i, j in pairs]
    double = [_binomial(count, each) for count, each in zip(counts, equal, strict=True)]
    return {
        "binary": Finding.error(float((output["x"].double() - on.double()).abs().max()), 1e-6),
        "single pixels": Finding.p_value(min(1.0, len(single) * min(single))),
        "pairs of pixels": Finding.p_value(min(1.0, len(double) * min(double))),
    }


def inputs_h(point: Point) -> list[Call]:
    """A walk of four steps along the last latent but one."""
    latents = SIZES[point.index % 2][2]
    walk = {"z": _away(point, latents), "axis": latents - 2, "values": 2 * _away(point, 4)}
    return [_cast(point, **walk, **_decoder(point))]


def truth_h(
    z: Tensor, axis: int, values: Tensor, weight: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """By the change of the logits: the walk moves them along one column of the weight."""
    start, stops, matrix, offset = _f64(z, values, weight, bias)
    away = np.outer(stops - start[axis], matrix[:, axis])
    return {"probabilities": _tensor(scipy.special.expit(matrix @ start + offset + away))}
