"""Inputs and exact answers of the sheet on mixtures and hidden Markov models.

Mixtures are held against scipy's densities, the bound against log p(x) minus a KL divergence, and
hidden Markov models against the sum over all S^T paths of states, in float64.
"""

import itertools
from typing import Any

import numpy as np
import scipy.stats
import torch
from scipy.special import logsumexp, rel_entr, softmax
from torch import Tensor

from zoo.homework.api import Finding, Point

Call = dict[str, Any]
Outputs = list[dict[str, Tensor]]
SIZES = ((7, 3, 2), (9, 2, 3))  # rows N, components K, features D
WEIGHTS = ((0.2, 0.5, 0.3), (0.3, 0.7))
CHAINS = ((5, 3), (6, 2))  # times T, states S
INITIAL = {3: (0.7, 0.2, 0.1), 2: (0.75, 0.25)}
TRANSITION = {
    3: ((0.1, 0.7, 0.2), (0.2, 0.3, 0.5), (0.3, 0.1, 0.6)),
    2: ((0.15, 0.85), (0.4, 0.6)),
}
LONG = 1200  # times: exp of the log likelihood is 0 in float64
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-3}


def _f64(value: Tensor) -> np.ndarray:
    return value.detach().to(torch.float64).numpy()


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(np.asarray(value), dtype=torch.float64)


def _cast(call: Call, point: Point) -> Call:
    return {name: value.to(point.dtype) for name, value in call.items()}


def _finding(call: Call, output: Call, truth: Call, *names: str) -> Finding:
    """The largest error of the named results, each relative to 1 + max |truth|."""
    pairs = [(output[name].to(torch.float64), truth[name]) for name in names]
    errors = [(got - want).abs().max() / (1 + want.abs().max()) for got, want in pairs]
    dtype = next(iter(call.values())).dtype
    return Finding.error(float(torch.stack(errors).max()), TOLERANCE[dtype])


def _uniform(point: Point, low: float, high: float, *shape: int) -> Tensor:
    draws = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return low + (high - low) * draws


def _near(point: Point, table: Any) -> Tensor:
    """Rows that sum to 1, near those of the table: no two mistakes cancel by chance."""
    rows = torch.as_tensor(table, dtype=torch.float64)
    rows = rows * _uniform(point, 0.8, 1.2, *rows.shape)
    return rows / rows.sum(-1, keepdim=True)


def _simplex(point: Point, *shape: int) -> Tensor:
    return _near(point, _uniform(point, 0.2, 1.2, *shape))


def _soft(point: Point, rows: int, components: int) -> tuple[Tensor, Tensor]:
    """A component for each row, and probabilities that favour it."""
    owner = torch.arange(rows) % components
    hot = torch.nn.functional.one_hot(owner, components)
    return owner, _near(point, 0.1 + hot)


def _randn(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


# Part a


def _mixture(point: Point, spread: float) -> Call:
    rows, components, features = SIZES[point.index % 2]
    root = 0.4 * _randn(point, components, features, features)
    covariances = root @ root.mT + 0.6 * torch.eye(features, dtype=torch.float64)
    x = _randn(point, rows, features) * 1.5
    x[-1] += spread
    weights, means = _near(point, WEIGHTS[point.index % 2]), _randn(point, components, features)
    return {"x": x, "weights": weights, "means": means, "covariances": covariances}


def inputs_a(point: Point) -> list[Call]:
    """Rows near the components, then a row so far away that its density underflows."""
    return [_cast(_mixture(point, spread), point) for spread in (0.0, 60.0)]


def _log_joint(x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> np.ndarray:
    columns = zip(_f64(weights), _f64(means), _f64(covariances), strict=True)
    normal = scipy.stats.multivariate_normal
    terms = [np.log(w) + normal.logpdf(_f64(x), m, c) for w, m, c in columns]
    return np.stack(terms, axis=1)


def truth_a(**inputs: Tensor) -> dict[str, Tensor]:
    """By scipy's normal densities."""
    log_joint = _log_joint(**inputs)
    evidence = logsumexp(log_joint, axis=1).sum()
    answer = {"responsibilities": softmax(log_joint, axis=1), "log_likelihood": evidence}
    return {name: _tensor(value) for name, value in answer.items()}


def judge_a(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """The near rows judge the equations, the far row the arithmetic in logs."""
    near, far = (truth_a(**call) for call in calls)
    return {
        "responsibilities": _finding(calls[0], outputs[0], near, "responsibilities"),
        "log likelihood": _finding(calls[0], outputs[0], near, "log_likelihood"),
        "underflow": _finding(calls[1], outputs[1], far, *far),
    }


# Part b


def inputs_b(point: Point) -> list[Call]:
    """A q without zeros, then one that is one-hot in half of its rows."""
    rows, components, _ = SIZES[point.index % 2]
    q, log_joint = _simplex(point, rows, components), 3 * _randn(point, rows, components) - 4
    hard = q.clone()
    hard[::2] = torch.eye(components, dtype=torch.float64)[q[::2].argmax(-1)]
    return [_cast({"q": weights, "log_joint": log_joint}, point) for weights in (q, hard)]


def truth_b(q: Tensor, log_joint: Tensor) -> dict[str, Tensor]:
    """Log p(x) - KL(q || posterior)."""
    joint = _f64(log_joint)
    divergence = rel_entr(_f64(q), softmax(joint, axis=1)).sum()
    total = _f64(q).sum(axis=1)  # 1 but for the rounding of float32
    return {"bound": _tensor((total * logsumexp(joint, axis=1)).sum() - divergence)}


def judge_b(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """One concept a call."""
    concepts = ("bound", "zero probability")
    return {
        concept: _finding(call, output, truth_b(**call), "bound")
        for concept, call, output in zip(concepts, calls, outputs, strict=True)
    }


# Part c


def inputs_c(point: Point) -> list[Call]:
    """Rows about a place for each component, with soft responsibilities."""
    rows, components, features = SIZES[point.index % 2]
    owner, r = _soft(point, rows, components)
    places = 1.0 + 2.0 * owner[:, None]
    return [_cast({"x": places + _randn(point, rows, features), "r": r}, point)]


def truth_c(x: Tensor, r: Tensor) -> dict[str, Tensor]:
    """By numpy's weighted mean and covariance."""
    rows, columns = _f64(x), _f64(r).T
    answer = {
        "weights": columns.mean(axis=1),
        "means": [np.average(rows, axis=0, weights=column) for column in columns],
        "covariances": [np.cov(rows.T, aweights=column, ddof=0) for column in columns],
    }
    return {name: _tensor(value) for name, value in answer.items()}


# Parts d to g: a hidden Markov model, by enumeration


def _chain(point: Point, times: int, states: int) -> Call:
    return {
        "initial": _near(point, INITIAL[states]),
        "transition": _near(point, TRANSITION[states]),
        "log_emission": _randn(point, times, states) - 2.0,
    }


def _paths(times: int, states: int) -> Tensor:
    return torch.tensor(list(itertools.product(range(states), repeat=times)))


def _log_path(transition: Tensor, log_emission: Tensor, paths: Tensor) -> tuple[Tensor, Tensor]:
    """Log probability of each step, (paths, T - 1), and of each symbol, (paths, T)."""
    steps = transition.double().log()[paths[:, :-1], paths[:, 1:]]
    symbols = log_emission.double()[torch.arange(len(log_emission)), paths]
    return steps, symbols


def _sum_where(log_weights: Tensor, held: Tensor) -> Tensor:
    return torch.logsumexp(log_weights.masked_fill(~held, -torch.inf), dim=0)


def _exact_alpha(initial: Tensor, transition: Tensor, log_emission: Tensor) -> Tensor:
    """Log p(x_1..t, z_t = i): sum over the paths of the first t states."""
    rows = []
    for t in range(1, len(log_emission) + 1):
        paths = _paths(t, len(initial))
        steps, symbols = _log_path(transition, log_emission[:t], paths)
        weights = initial.double().log()[paths[:, 0]] + steps.sum(1) + symbols.sum(1)
        rows.append([_sum_where(weights, paths[:, -1] == i) for i in range(len(initial))])
    return torch.tensor(rows, dtype=torch.float64)


def _exact_beta(transition: Tensor, log_emission: Tensor) -> Tensor:
    """Log p(x_t+1..T | z_t = i): sum over the paths of the states from t on."""
    rows, states = [], len(transition)
    for t in range(len(log_emission)):
        paths = _paths(len(log_emission) - t, states)
        steps, symbols = _log_path(transition, log_emission[t:], paths)
        weights = steps.sum(1) + symbols[:, 1:].sum(1)
        rows.append([_sum_where(weights, paths[:, 0] == i) for i in range(states)])
    return torch.tensor(rows, dtype=torch.float64)


def _path_posterior(call: Call) -> tuple[Tensor, Tensor]:
    """All paths, and the posterior probability of each."""
    transition, log_emission = call["transition"], call["log_emission"]
    paths = _paths(*log_emission.shape)
    steps, symbols = _log_path(transition, log_emission, paths)
    weights = call["initial"].double().log()[paths[:, 0]] + steps.sum(1) + symbols.sum(1)
    return paths, torch.softmax(weights, dim=0)


def _exact_posteriors(call: Call) -> tuple[Tensor, Tensor]:
    """Gamma (T, S) and xi (T - 1, S, S)."""
    paths, weights = _path_posterior(call)
    hot = torch.nn.functional.one_hot(paths, len(call["transition"])).double()
    single = torch.einsum("p,pti->ti", weights, hot)
    return single, torch.einsum("p,pti,ptj->tij", weights, hot[:, :-1], hot[:, 1:])


def inputs_d(point: Point) -> list[Call]:
    """A short chain, and one so long that its likelihood underflows."""
    times, states = CHAINS[point.index % 2]
    return [_cast(_chain(point, length, states), point) for length in (times, LONG)]


def _long_log_likelihood(initial: Tensor, transition: Tensor, log_emission: Tensor) -> Tensor:
    """By products of matrices in pairs, each scaled to a largest entry of 1."""
    matrices = transition.double() * log_emission[1:].double().exp()[:, None, :]
    scales = torch.zeros((), dtype=torch.float64)
    while len(matrices) > 1:
        left, odd = matrices[: len(matrices) // 2 * 2], matrices[len(matrices) // 2 * 2 :]
        matrices = torch.cat([left[::2] @ left[1::2], odd])
        largest = matrices.amax((1, 2), keepdim=True)
        matrices, scales = matrices / largest, scales + largest.log().sum()
    first = initial.double() * log_emission[0].double().exp()
    return (first @ matrices[0]).sum().log() + scales


def judge_d(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """The short chain by its paths, the long one by scaled products of matrices."""
    short, long = calls
    alpha = _exact_alpha(**short)
    truth = {"log_alpha": alpha, "log_likelihood": torch.logsumexp(alpha[-1], dim=0)}
    far = {"log_likelihood": _long_log_likelihood(**long)}
    return {
        "forward": _finding(short, outputs[0], truth, "log_alpha"),
        "log likelihood": _finding(short, outputs[0], truth, "log_likelihood"),
        "underflow": _finding(long, outputs[1], far, "log_likelihood"),
    }


def inputs_e(point: Point) -> list[Call]:
    """A short chain, without its initial distribution, and a long one."""
    times, states = CHAINS[point.index % 2]
    chains = [_chain(point, length, states) for length in (times, LONG)]
    return [
        _cast({name: c[name] for name in ("transition", "log_emission")}, point) for c in chains
    ]


def judge_e(calls: list[Call], outputs: Outputs) -> dict[str, Finding]:
    """The long chain: row 0 by scaled products of matrices, one state after another."""
    short, long = calls
    uniform = torch.zeros_like(long["log_emission"][:1])
    emission = torch.cat([uniform, long["log_emission"][1:]])
    starts = torch.eye(len(long["transition"]), dtype=torch.float64)
    first = [_long_log_likelihood(start, long["transition"], emission) for start in starts]
    got = {"log_beta": outputs[1]["log_beta"][0]}
    exact = {"log_beta": _exact_beta(**short)}
    return {
        "backward": _finding(short, outputs[0], exact, "log_beta"),
        "underflow": _finding(long, got, {"log_beta": torch.stack(first)}, "log_beta"),
    }


def _messages(chain: Call) -> Call:
    return {
        "log_alpha": _exact_alpha(**chain),
        "log_beta": _exact_beta(chain["transition"], chain["log_emission"]),
        "transition": chain["transition"],
        "log_emission": chain["log_emission"],
    }


def inputs_f(point: Point) -> list[Call]:
    """Exact messages of a short chain."""
    return [_cast(_messages(_chain(point, *CHAINS[point.index % 2])), point)]


def truth_f(
    log_alpha: Tensor, log_beta: Tensor, transition: Tensor, log_emission: Tensor
) -> dict[str, Tensor]:
    """By enumeration: the first row of log_alpha stands for the initial distribution."""
    initial = (log_alpha[0] - log_emission[0]).double().exp()
    chain = {"initial": initial, "transition": transition, "log_emission": log_emission}
    single, pairs = _exact_posteriors(chain)
    return {"single": single, "pairs": pairs}


def inputs_g(point: Point) -> list[Call]:
    """Exact posteriors of four short sequences of three or four symbols."""
    (times, states), symbols = CHAINS[point.index % 2], 3 + point.index % 2
    model = _chain(point, times, states)
    emission = _simplex(point, states, symbols).log()
    observed = torch.randint(symbols, (4, times), generator=point.generator)
    posteriors = [
        _exact_posteriors({**model, "log_emission": emission.T[row]}) for row in observed
    ]
    call = {
        "single": torch.stack([single for single, _ in posteriors]),
        "pairs": torch.stack([pairs for _, pairs in posteriors]),
        "observed": torch.nn.functional.one_hot(observed, symbols),
    }
    return [_cast(call, point)]


def truth_g(single: Tensor, pairs: Tensor, observed: Tensor) -> dict[str, Tensor]:
    """By counting, one sequence and one time after another."""
    gamma, xi, symbols = _f64(single), _f64(pairs), _f64(observed).argmax(-1)
    moves, emitted = np.zeros(xi.shape[2:]), np.zeros((gamma.shape[-1], observed.shape[-1]))
    for b, t in np.ndindex(symbols.shape):
        emitted[:, symbols[b, t]] += gamma[b, t]
        moves += xi[b, t] if t < xi.shape[1] else 0.0
    return {
        "initial": _tensor(gamma[:, 0].sum(0) / len(gamma)),
        "transition": _tensor([row / row.sum() for row in moves]),
        "emission": _tensor([row / row.sum() for row in emitted]),
    }
