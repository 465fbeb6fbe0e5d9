"""Inputs and exact answers of the hidden tests.

Expectations are sums over every state, or over every draw of all particles; nothing is sampled.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Finding, Point

TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-3}
ROWS, FEATURES = 2, 3


def _normal(point: Point, *shape: int) -> Tensor:
    draw = torch.randn(shape, generator=point.generator, dtype=torch.float64)
    return draw.to(point.dtype)


def _states(bits: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=bits)), dtype=torch.float64)


def _table(logits: Tensor) -> Tensor:
    """The log probability of every state (2^D, N): an exponential family, summed to normalise."""
    return torch.log_softmax(_states(logits.shape[-1]) @ logits.T, dim=0)


def _index(z: Tensor) -> Tensor:
    """The number of each state, from its bits (..., D)."""
    bits = z.shape[-1]
    return (z.long() * 2 ** torch.arange(bits - 1, -1, -1)).sum(-1)


def inputs_a(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one some logits are large."""
    calls = []
    for particles, rows, bits in ((4, 3, 2), (1, 2, 5), (3, 4, 4)):
        logits = _normal(point, rows, bits)
        z = (_normal(point, particles, rows, bits) > 0).to(point.dtype)
        calls.append({"z": z, "logits": logits})
    calls[-1]["logits"][0, :2] = torch.tensor([60.0, -60.0])
    return calls


def truth_a(z: Tensor, logits: Tensor) -> dict[str, Tensor]:
    """From the table of all states: log q is its entry, the score is z minus the mean state."""
    table = _table(logits.double())
    mean = table.exp().T @ _states(logits.shape[-1])
    return {"log_q": table.gather(0, _index(z)), "score": z.double() - mean}


def _draws(point: Point, particles: int, bits: int) -> list[dict[str, Any]]:
    """One call for every possible draw of all particles of all rows."""
    weights = 2 * torch.nn.functional.normalize(_normal(point, bits, FEATURES))
    x = _normal(point, ROWS, FEATURES)
    x[0] = 0.3 * x[0] + 2 * weights[0]  # the first bit is on: its gradient is never near 0
    logits = _normal(point, ROWS, bits).clamp(-1.5, 1.5)
    shared = {"x": x, "weights": weights, "logits": logits}
    states, rows = _states(bits), torch.arange(ROWS)
    log_p = _log_joint(shared["x"].double(), shared["weights"].double())
    log_q = _table(shared["logits"].double())
    scores = states.unsqueeze(1) - log_q.exp().T @ states
    calls = []
    for draw in itertools.product(range(len(states)), repeat=particles * ROWS):
        index = torch.tensor(draw).view(particles, ROWS)
        tensors = {
            "z": states[index],
            "log_p": log_p[index, rows],
            "log_q": log_q[index, rows],
            "score": scores[index, rows],
        }
        calls.append({name: one.to(point.dtype) for name, one in tensors.items()} | shared)
    return calls


def _chances(calls: list[dict[str, Any]]) -> Tensor:
    """The probability of each draw; they sum to 1."""
    table = _table(calls[0]["logits"].double())
    return torch.stack([table.gather(0, _index(call["z"])).sum().exp() for call in calls])


def _log_joint(x: Tensor, weights: Tensor) -> Tensor:
    """Values of log p(x_n, state) (2^D, N), by torch.distributions."""
    states = _states(len(weights))
    normal = torch.distributions.Normal(states @ weights, 1.0)
    log_likelihood = normal.log_prob(x.unsqueeze(1)).sum(-1).T
    return log_likelihood - len(weights) * math.log(2)


def _elbo_gradients(call: dict[str, Any]) -> dict[str, Tensor]:
    """Gradients of the ELBO, summed over all states, by autograd."""
    logits = call["logits"].double().requires_grad_()
    weights = call["weights"].double().requires_grad_()
    log_q = _table(logits)
    signal = _log_joint(call["x"].double(), weights) - log_q
    found = torch.autograd.grad((log_q.exp() * signal).sum(), (logits, weights))
    return dict(zip(("logits", "weights"), found, strict=True))


def _mean(calls: list[dict[str, Any]], values: list[Tensor]) -> Tensor:
    """The mean over all draws."""
    return torch.tensordot(_chances(calls), torch.stack(values).double(), dims=1)


def _compare(found: Tensor, truth: Tensor, dtype: torch.dtype) -> Finding:
    error = (found - truth).abs().max() / (1 + truth.abs().max())
    return Finding.error(error.item(), TOLERANCE[dtype])


def inputs_b(point: Point) -> list[dict[str, Any]]:
    """All 256 draws of 2 particles of 2 rows of 2 bits, or all 64 of 3 particles of 1 bit."""
    return _draws(point, *((2, 2), (3, 1))[point.index % 2])


def judge_b(calls: list[dict[str, Any]], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """The exact mean of the estimate against the gradient of the ELBO."""
    truth = _elbo_gradients(calls[0])["logits"]
    dtype = calls[0]["z"].dtype
    mean = _mean(calls, [output["gradient"] for output in outputs])
    return {"unbiased": _compare(mean, truth, dtype)}


inputs_c = inputs_b


def _chained(call: dict[str, Any], output: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Gradients in the logits (N, D) and the weights (D, F), from the slopes in log_q and log_p.

    The gradient of log p(x_n, z) in the weights is z (x_n - z weights)^T.
    """
    z, slope = call["z"].double(), output["log_p"].double().unsqueeze(-1)
    residuals = call["x"].double() - z @ call["weights"].double()
    logits = (output["log_q"].double().unsqueeze(-1) * call["score"].double()).sum(0)
    return logits, torch.einsum("knd,knf->df", slope * z, residuals)


def judge_c(calls: list[dict[str, Any]], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """The exact means of both gradients of the surrogate."""
    truth = _elbo_gradients(calls[0])
    pairs = [_chained(*pair) for pair in zip(calls, outputs, strict=True)]
    logits, weights = (_mean(calls, list(each)) for each in zip(*pairs, strict=True))
    dtype = calls[0]["z"].dtype
    return {
        "gradient of the variational parameters": _compare(logits, truth["logits"], dtype),
        "gradient of the model's parameters": _compare(weights, truth["weights"], dtype),
    }


def _all_states(point: Point, rows: int, bits: int) -> dict[str, Any]:
    """Signal, score and probability of every state; the signals are free numbers."""
    logits = _normal(point, rows, bits).double()
    states = _states(bits)
    q = _table(logits).exp()
    score = states.unsqueeze(1) - q.T @ states
    signal = 2 * _normal(point, len(states), rows) - 3
    return {"signal": signal, "score": score.to(point.dtype), "q": q.to(point.dtype)}


def inputs_d(point: Point) -> list[dict[str, Any]]:
    """One, two and three particles."""
    calls = []
    for particles, rows, bits in ((1, 3, 3), (2, 2, 2), (3, 4, 2)):
        call = _all_states(point, rows, bits)
        calls.append({**call, "baseline": _normal(point, rows, bits), "particles": particles})
    return calls


def truth_d(
    signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int
) -> dict[str, Tensor]:
    """The estimator is evaluated for every tuple of particles, and its variance is summed."""
    q = q.double() / q.double().sum(0)
    terms = (signal.double().unsqueeze(-1) - baseline.double()) * score.double()
    first, second = torch.zeros_like(terms[0]), torch.zeros_like(terms[0])
    for draw in itertools.product(range(len(q)), repeat=particles):
        chance = q[list(draw)].prod(0).unsqueeze(-1)
        estimate = terms[list(draw)].mean(0)
        first, second = first + chance * estimate, second + chance * estimate**2
    return {"variance": second - first**2}


def inputs_e(point: Point) -> list[dict[str, Any]]:
    """Three sizes."""
    return [_all_states(point, rows, bits) for rows, bits in ((3, 2), (1, 3), (4, 1))]


def truth_e(signal: Tensor, score: Tensor, q: Tensor) -> dict[str, Tensor]:
    """The variance is a parabola in b: its vertex, from its values at -1, 0 and 1."""
    left, middle, right = (
        truth_d(signal, score, q, torch.full_like(score[0], b), 1)["variance"]
        for b in (-1.0, 0.0, 1.0)
    )
    return {"baseline": (left - right) / (2 * (left - 2 * middle + right))}


inputs_f = inputs_b


def _rloo_variance(call: dict[str, Any]) -> Tensor:
    """The variance (N, D) of the U-statistic with kernel h(a, b) = (f_a - f_b)(s_a - s_b) / 2.

    Hoeffding: Var = 2 / (K (K - 1)) * (2 (K - 2) Var[E[h | a]] + Var[h]).
    """
    particles, logits = len(call["z"]), call["logits"].double()
    log_q = _table(logits)
    q = log_q.exp()
    signal = _log_joint(call["x"].double(), call["weights"].double()) - log_q
    states = _states(logits.shape[-1]).unsqueeze(1)
    steps = states.unsqueeze(0) - states.unsqueeze(1)
    kernel = 0.5 * (signal.unsqueeze(0) - signal.unsqueeze(1)).unsqueeze(-1) * steps
    given = torch.einsum("bn,abnd->and", q, kernel)
    mean = torch.einsum("an,and->nd", q, given)
    one = torch.einsum("an,and->nd", q, given**2) - mean**2
    both = torch.einsum("an,bn,abnd->nd", q, q, kernel**2) - mean**2
    return 2 / (particles * (particles - 1)) * (2 * (particles - 2) * one + both)


def judge_f(calls: list[dict[str, Any]], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """The exact mean and the exact variance of the estimate."""
    dtype = calls[0]["z"].dtype
    estimates = [output["gradient"].double() for output in outputs]
    mean = _mean(calls, estimates)
    variance = _mean(calls, [estimate**2 for estimate in estimates]) - mean**2
    return {
        "unbiased": _compare(mean, _elbo_gradients(calls[0])["logits"], dtype),
        "variance of leave-one-out": _compare(variance, _rloo_variance(calls[0]), dtype),
    }
