"""Inputs and exact answers of the hidden tests: sums over all joint states, races, autograd."""

import itertools
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Point


def _normal(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _uniform(point: Point, *shape: int) -> Tensor:
    draw = torch.rand(shape, generator=point.generator, dtype=torch.float64)
    return draw.clamp(1e-3, 1 - 1e-3)


def _cast(point: Point, **tensors: Tensor) -> dict[str, Any]:
    return {name: tensor.to(point.dtype) for name, tensor in tensors.items()}


def _gumbel(uniform: Tensor) -> Tensor:
    return -torch.log(-torch.log(uniform))


def _gap(values: Tensor) -> Tensor:
    """How far the largest entry of each row is above the second."""
    top = values.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


def inputs_a(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one the likelihoods are far below the smallest float32."""
    calls = []
    for rows, states, level in ((4, 3, -1.0), (2, 5, 0.0), (3, 2, -300.0)):
        prior = _normal(point, states).log_softmax(0)
        likelihood = 2.5 * _normal(point, rows, states) + level
        calls.append(_cast(point, log_prior=prior, log_likelihood=likelihood))
    return calls


def truth_a(log_prior: Tensor, log_likelihood: Tensor) -> dict[str, Tensor]:
    """By all S^N joint states."""
    rows, states = log_likelihood.shape
    tuples = torch.tensor(list(itertools.product(range(states), repeat=rows)))
    log_joint = log_prior.double() + log_likelihood.double()
    totals = log_joint[torch.arange(rows), tuples].sum(1)
    members = torch.nn.functional.one_hot(tuples, states).double()
    posterior = torch.einsum("t,tns->ns", totals.softmax(0), members)
    return {"log_evidence": totals.logsumexp(0), "posterior": posterior}


def inputs_b(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one the likelihoods are far below the smallest float32."""
    calls = []
    for values, rows, states, level in ((2, 4, 3, 0.0), (4, 2, 3, -1.0), (3, 3, 2, -300.0)):
        shared = _normal(point, values).log_softmax(0)
        local = _normal(point, values, states).log_softmax(1)
        likelihood = _normal(point, values, rows, states) + level
        # The rows disagree on the shared latent, so that they cannot be taken one by one.
        favoured = torch.arange(values).unsqueeze(1) == torch.arange(rows) % values
        likelihood = likelihood + 3 * favoured.unsqueeze(2)
        call = _cast(point, log_global=shared, log_local=local, log_likelihood=likelihood)
        calls.append(call)
    return calls


def truth_b(log_global: Tensor, log_local: Tensor, log_likelihood: Tensor) -> dict[str, Tensor]:
    """By all G S^N joint states."""
    totals = []
    for g in range(len(log_global)):
        rows, states = log_likelihood.shape[1:]
        tuples = torch.tensor(list(itertools.product(range(states), repeat=rows)))
        terms = log_local[g].double() + log_likelihood[g].double()
        totals.append(log_global[g].double() + terms[torch.arange(rows), tuples].sum(1))
    joint = torch.stack(totals)
    posterior = joint.flatten().softmax(0).view_as(joint).sum(1)
    return {"log_evidence": joint.flatten().logsumexp(0), "posterior": posterior}


def inputs_c(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one some states have a probability of 0 in float32."""
    calls = []
    for rows, states in ((4, 3), (2, 5), (3, 4)):
        logits = _normal(point, rows, states)
        log_joint = 2 * _normal(point, rows, states) - 3
        calls.append(_cast(point, logits=logits, log_joint=log_joint))
    calls[-1]["logits"][:, 0] -= 300
    calls[-1]["log_joint"][0, 1] -= 250
    return calls


def truth_c(logits: Tensor, log_joint: Tensor) -> dict[str, Tensor]:
    """The log evidence minus KL(q || posterior); the gradients are closed forms."""
    log_joint = log_joint.double()
    q = torch.distributions.Categorical(logits=logits.double())
    posterior = torch.distributions.Categorical(logits=log_joint)
    gap = torch.distributions.kl_divergence(q, posterior)
    signal = log_joint - q.logits
    slope = q.probs * (signal - (q.probs * signal).sum(1, keepdim=True))
    elbo = (log_joint.logsumexp(1) - gap).sum()
    return {"elbo": elbo, "logits": slope, "log_joint": q.probs}


def inputs_d(point: Point) -> list[dict[str, Any]]:
    """Rows whose largest perturbed logit is clear of the second by at least 0.01."""
    calls = []
    for rows, states in ((40, 3), (30, 6)):
        logits, uniform = _normal(point, 4 * rows, states), _uniform(point, 4 * rows, states)
        clear = (_gap(logits + _gumbel(uniform)) > 0.01).nonzero()[:rows, 0]
        calls.append(_cast(point, logits=logits[clear], uniform=uniform[clear]))
    return calls


def truth_d(logits: Tensor, uniform: Tensor) -> dict[str, Tensor]:
    """Exponential clocks with rates exp(logits): the first one to ring is drawn."""
    times = -torch.log(uniform.double()) / torch.exp(logits.double())
    return {"draw": (times == times.amin(1, keepdim=True)).double()}


def inputs_e(point: Point) -> list[dict[str, Any]]:
    """Temperatures from 0.001 to 5."""
    calls = []
    for rows, states, temperature in ((4, 3, 0.5), (2, 5, 5.0), (5, 4, 0.001), (3, 2, 1.7)):
        logits, gumbel = _normal(point, rows, states), _gumbel(_uniform(point, rows, states))
        call = _cast(point, logits=logits, gumbel=gumbel)
        calls.append({**call, "temperature": temperature})
    return calls


def truth_e(logits: Tensor, gumbel: Tensor, temperature: float) -> dict[str, Tensor]:
    """Each entry is one over the sum of the ratios of all entries to it."""
    w = logits.double() + gumbel.double()
    ratios = torch.exp((w.unsqueeze(1) - w.unsqueeze(2)) / temperature)
    return {"y": 1 / ratios.sum(2)}


def inputs_f(point: Point) -> list[dict[str, Any]]:
    """Rows whose largest entry is clear of the second, and the weights of a linear function."""
    calls = []
    for rows, states in ((5, 3), (3, 6), (4, 2)):
        y = _normal(point, 10 * rows, states).softmax(1)
        clear = (_gap(y) > 0.01).nonzero()[:rows, 0]
        calls.append(_cast(point, y=y[clear], weights=_normal(point, rows, states)))
    return calls


def truth_f(y: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The gradient of a linear function of the identity is its weights."""
    hot = (y == y.amax(1, keepdim=True)).double()
    return {"one_hot": hot, "gradient": weights.double()}


def inputs_g(point: Point) -> list[dict[str, Any]]:
    """Three temperatures and targets."""
    calls = []
    for size, temperature, target in ((9, 0.4, 0.45), (6, 2.5, -0.3), (12, 1.0, 0.8)):
        call = _cast(point, logit=_normal(point), uniform=_uniform(point, size))
        calls.append({**call, "temperature": temperature, "target": target})
    return calls


def truth_g(
    logit: Tensor, uniform: Tensor, temperature: float, target: float
) -> dict[str, Tensor]:
    """By autograd, one copy of the logit for each uniform number."""
    leaf = logit.double().expand(len(uniform)).clone().requires_grad_()
    y = torch.sigmoid((leaf + torch.logit(uniform.double())) / temperature)
    return {"gradient": torch.autograd.grad(((y - target) ** 2).sum(), leaf)[0]}
