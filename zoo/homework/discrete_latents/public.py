"""Checks that a student can run: properties that every right solution has."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Check


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _uniform(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def check_a(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, sums to one, a constant factor, a likelihood that says nothing."""
    prior = _normal(3).log_softmax(0)
    evidence, posterior = function(prior, _normal(5, 3))
    right = evidence.shape == () and posterior.shape == (5, 3)
    yield Check("shapes", right, "The log evidence has shape (), the posterior (N, S).")
    if not right:
        return
    total = posterior.sum(1)
    yield Check("posterior", _close(total, torch.ones(5)), "Each row's posterior sums to 1.")
    moved, _ = function(prior, _normal(5, 3) + 2)
    hint = "Likelihoods multiplied by e^2 in each of 5 rows add 10 to the log evidence."
    yield Check("evidence", _close(moved, evidence + 10), hint)
    flat, same = function(prior, torch.zeros(5, 3))
    hint = "With a likelihood of 1 everywhere the log evidence is 0."
    yield Check("evidence", _close(flat, torch.zeros(())), hint)
    hint = "With a likelihood of 1 everywhere the posterior is the prior."
    yield Check("posterior", _close(same, prior.exp().expand(5, 3)), hint)
    low, _ = function(prior, _normal(5, 3) - 300)
    yield Check("evidence", bool(low.isfinite()), "Log likelihoods of -300 give finite results.")


def check_b(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, sums to one, a constant factor, local terms that do not depend on g."""
    shared, local = _normal(2).log_softmax(0), _normal(2, 3).log_softmax(1)
    likelihood = _normal(2, 4, 3)
    evidence, posterior = function(shared, local, likelihood)
    right = evidence.shape == () and posterior.shape == (2,)
    yield Check("shapes", right, "The log evidence has shape (), the posterior (G,).")
    if not right:
        return
    yield Check(
        "posterior", _close(posterior.sum(), torch.ones(())), "The posterior of g sums to 1."
    )
    moved, _ = function(shared, local, likelihood + 2)
    hint = "Likelihoods multiplied by e^2 in each of 4 rows add 8 to the log evidence."
    yield Check("evidence", _close(moved, evidence + 8), hint)
    same = function(shared, local[:1].expand(2, 3), likelihood[:1].expand(2, 4, 3))[1]
    hint = "If the rows do not depend on g, its posterior is its prior."
    yield Check("posterior", _close(same, shared.exp()), hint)
    low, _ = function(shared, local, likelihood - 300)
    yield Check("evidence", bool(low.isfinite()), "Log likelihoods of -300 give finite results.")


def check_c(function: Callable[..., Any]) -> Iterator[Check]:
    """A scalar in the graph, a constant factor, the bound."""
    logits, log_joint = _normal(4, 3).flip(0).requires_grad_(), _normal(4, 3) - 3
    value = function(logits, log_joint)
    yield Check("shape", value.shape == (), "The ELBO has shape ().")
    yield Check("graph", value.requires_grad, "The ELBO is attached to the graph of the logits.")
    value = value.detach()
    moved = function(logits, log_joint + 2).detach()
    hint = "Joint densities multiplied by e^2 in each of 4 rows add 8 to the ELBO."
    yield Check("ELBO", _close(moved, value + 8), hint)
    shifted = function(logits + 5, log_joint).detach()
    hint = "A constant added to all logits leaves q, and so the ELBO, as it is."
    yield Check("ELBO", _close(shifted, value), hint)
    # Each row of this table sums to 1, so the log evidence is 0.
    posterior = log_joint.log_softmax(1)
    loose, tight = (function(q, posterior).detach() for q in (logits, posterior))
    yield Check("ELBO", bool(loose < 0), "The ELBO is below the log evidence.")
    hint = "The ELBO is the log evidence where q is the posterior."
    yield Check("ELBO", _close(tight, torch.zeros(())), hint)


def check_d(function: Callable[..., Any]) -> Iterator[Check]:
    """One-hot vectors, equal noise, a constant added to the logits."""
    logits, uniform = _normal(50, 3), _uniform(50, 3).clamp(0.01, 0.99)
    draw = function(logits, uniform)
    right = draw.shape == (50, 3) and draw.dtype == logits.dtype
    yield Check("shape", right, "The draw has the logits' shape (N, S) and dtype.")
    if not right:
        return
    hot = bool(((draw == 0) | (draw == 1)).all() and (draw.sum(1) == 1).all())
    yield Check("one-hot", hot, "Each row has a single 1; the other entries are 0.")
    same = function(logits, torch.full((50, 3), 0.3))
    hint = "With the same noise for all states the state with the largest logit is drawn."
    yield Check("Gumbel-max", bool((same.argmax(1) == logits.argmax(1)).all()), hint)
    flat = function(torch.zeros(50, 3), uniform)
    hint = "With equal logits the state with the largest uniform number is drawn."
    yield Check("Gumbel-max", bool((flat.argmax(1) == uniform.argmax(1)).all()), hint)


def check_e(function: Callable[..., Any]) -> Iterator[Check]:
    """Rows in the simplex, and the two limits of the temperature."""
    logits, gumbel = _normal(5, 3), 2 * _normal(5, 3).flip(0)
    y = function(logits, gumbel, 0.7)
    yield Check("shape", y.shape == (5, 3), "The result has shape (N, S).")
    right = y.shape == (5, 3) and _close(y.sum(1), torch.ones(5)) and bool((y >= 0).all())
    yield Check("simplex", right, "Each row is non-negative and sums to 1.")
    warm = function(logits, gumbel, 1e5)
    hint = "At a very high temperature each row is nearly uniform."
    yield Check("temperature", bool(((warm - 1 / 3).abs() < 1e-3).all()), hint)
    cold = function(logits, gumbel, 1e-3)
    hint = "At a temperature of 0.001 the rows are finite and nearly one-hot."
    yield Check("temperature", bool((cold.amax(1) > 0.9).all()), hint)


def check_f(function: Callable[..., Any]) -> Iterator[Check]:
    """The value is one-hot, the gradient of the sum is one."""
    y = _normal(5, 3).softmax(1).requires_grad_()
    value = function(y)
    yield Check("shape", value.shape == (5, 3), "The result has shape (N, S).")
    if value.shape != (5, 3):
        return
    hot = value.detach()
    near = ((hot.abs() < 1e-5) | ((hot - 1).abs() < 1e-5)).all() and _close(
        hot.sum(1), torch.ones(5)
    )
    yield Check("forward pass", bool(near), "Each row of the value has a single 1.")
    yield Check("backward pass", value.requires_grad, "The result is attached to the graph of y.")
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value.sum(), y)
        hint = "The gradient of the sum of the result is 1 in every entry of y."
        yield Check("backward pass", _close(slope, torch.ones(5, 3)), hint)


def check_g(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, sign, and a symmetry."""
    uniform = _uniform(20).clamp(0.05, 0.95)
    up = function(torch.tensor(0.3), uniform, 0.5, 0.0)
    yield Check("shape", up.shape == (20,), "There is one gradient for each uniform number: (M,).")
    yield Check("sign", bool((up > 0).all()), "With t = 0 a larger logit makes (y - t)^2 larger.")
    one, two = (function(torch.tensor(0.0), u, 0.5, 0.5) for u in (uniform, 1 - uniform))
    hint = "With a logit of 0 and t = 1/2, u and 1 - u give opposite gradients."
    yield Check("pathwise gradient", _close(one, -two), hint)
    flat = function(torch.tensor(0.3), uniform, 1e4, 0.0)
    hint = "At a very high temperature y hardly depends on the logit: the gradient goes to 0."
    yield Check("temperature", bool((flat.abs() < 1e-3).all()), hint)
