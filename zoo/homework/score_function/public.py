"""Checks that a student can run: properties that every right solution has."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Check


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _states(bits: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=bits)))


def check_a(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, normalisation, and the mean of the score under q."""
    logits = _normal(2, 3)
    z = _states(3).unsqueeze(1).expand(-1, 2, -1)
    log_q, score = function(z, logits)
    right = log_q.shape == (8, 2) and score.shape == (8, 2, 3)
    yield Check("shapes", right, "log_q has shape (K, N) and the score (K, N, D).")
    if not right:
        return
    total = log_q.exp().sum(0)
    yield Check(
        "log probability",
        _close(total, torch.ones(2)),
        "The probabilities of all 2^D states of a row sum to 1.",
    )
    mean = (log_q.exp().unsqueeze(-1) * score).sum(0)
    yield Check("score", _close(mean, torch.zeros(2, 3)), "The score has mean zero under q.")
    large, slope = function(z, 60 * logits.sign())
    finite = bool(large.isfinite().all() and slope.isfinite().all())
    yield Check("log probability", finite, "With logits of +60 and -60 the results are finite.")


def check_b(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, order and number of particles, rows apart."""
    log_p, log_q, score = _normal(4, 3), _normal(4, 3) - 2, _normal(4, 3, 2)
    base = function(log_p, log_q, score)
    yield Check("shape", base.shape == (3, 2), "The gradient has shape (N, D).")
    flipped = function(log_p.flip(0), log_q.flip(0), score.flip(0))
    yield Check("particles", _close(flipped, base), "The order of the particles does not matter.")
    twice = function(log_p.repeat(2, 1), log_q.repeat(2, 1), score.repeat(2, 1, 1))
    yield Check(
        "unbiased", _close(twice, base), "Each particle given twice leaves the estimate as it is."
    )
    row = function(log_p[:, :1], log_q[:, :1], score[:, :1])
    yield Check("rows", _close(row, base[:1]), "A row's gradient depends on that row alone.")


def check_c(function: Callable[..., Any]) -> Iterator[Check]:
    """A scalar, attached to both inputs, whose gradient in log_p does not depend on the values."""
    slopes = []
    for scale in (1.0, 3.0):
        log_p, log_q = scale * _normal(4, 3), scale * (_normal(4, 3) - 2)
        log_p.requires_grad_()
        log_q.requires_grad_()
        value = function(log_p, log_q)
        scalar = value.numel() == 1
        yield Check("shape", scalar, "The surrogate is one number, of shape ().")
        if not scalar:
            return
        found = torch.autograd.grad(value, (log_p, log_q), allow_unused=True)
        attached = all(slope is not None for slope in found)
        yield Check(
            "attached", attached, "The surrogate has a gradient in log_p and one in log_q."
        )
        if not attached:
            return
        slopes.append(found[0])
    yield Check(
        "detach",
        _close(slopes[0], slopes[1]),
        "The gradient with respect to log_p must not depend on the values of log_p and log_q.",
    )


def check_d(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, sign, and what more particles do."""
    q = _normal(4, 3).softmax(0)
    score = _normal(4, 3, 2)
    score = score - (q.unsqueeze(-1) * score).sum(0)
    signal, baseline = _normal(4, 3), _normal(3, 2)
    one, two = (function(signal, score, q, baseline, particles) for particles in (1, 2))
    yield Check("shape", one.shape == (3, 2), "The variance has shape (N, D).")
    yield Check("sign", bool((one >= -1e-6).all()), "A variance is not negative.")
    yield Check("particles", _close(two, one / 2), "Two particles halve the variance of one.")
    flat = function(torch.ones(4, 3), score, q, torch.ones(3, 2), 1)
    yield Check(
        "variance of the estimator",
        _close(flat, torch.zeros(3, 2)),
        "The variance is 0 where the baseline equals the signal in every state.",
    )


def check_e(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, a constant signal, and a shifted signal."""
    q, score, signal = _normal(4, 3).softmax(0), _normal(4, 3, 2), _normal(4, 3)
    base = function(signal, score, q)
    yield Check("shape", base.shape == (3, 2), "The baseline has shape (N, D).")
    flat = function(torch.full((4, 3), 2.5), score, q)
    yield Check(
        "smallest variance",
        _close(flat, torch.full((3, 2), 2.5)),
        "The best baseline for a constant signal is that constant.",
    )
    moved = function(signal + 1, score, q)
    yield Check(
        "smallest variance",
        _close(moved, base + 1),
        "A constant added to the signal is added to the baseline.",
    )


def check_f(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, order of particles, rows apart, and a shifted signal."""
    signal, score = _normal(4, 3), _normal(4, 3, 2)
    base = function(signal, score)
    yield Check("shape", base.shape == (3, 2), "The gradient has shape (N, D).")
    flipped = function(signal.flip(0), score.flip(0))
    yield Check("particles", _close(flipped, base), "The order of the particles does not matter.")
    moved = function(signal + torch.tensor([1.0, -2.0, 3.0]), score)
    yield Check(
        "leave-one-out",
        _close(moved, base),
        "A constant added to the signal of a row leaves the estimate as it is.",
    )
    row = function(signal[:, :1], score[:, :1])
    yield Check("rows", _close(row, base[:1]), "A row's gradient depends on that row alone.")
