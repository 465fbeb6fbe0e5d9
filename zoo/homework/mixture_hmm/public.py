"""What a student can check alone: properties of right answers, never the answers."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zoo.homework.api import Check

Function = Callable[..., tuple[Tensor, ...]]
SMALL = 1e-4


def _close(a: Tensor, b: Tensor) -> bool:
    close = a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=SMALL, atol=SMALL)
    return bool(close)


def _shape(name: str, got: Tensor, want: tuple[int, ...]) -> Check:
    hint = f"Expected {name} of shape {want}; got {tuple(got.shape)}."
    return Check("shape", got.shape == want, hint)


def _mixture() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = torch.tensor([[0.3, -1.0], [2.0, 0.5], [-1.0, 1.5], [0.1, 0.2]])
    weights, means = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([[0.0, 0.0], [1.0, 1.0], [-1, 2]])
    covariances = torch.tensor([[1.0, 0.3], [0.3, 0.8]]).expand(3, 2, 2)
    return x, weights, means, covariances


def check_a(function: Function) -> Iterator[Check]:
    """Responsibilities sum to 1; equal components share; moving everything changes nothing."""
    x, weights, means, covariances = _mixture()
    r, log_likelihood = function(x, weights, means, covariances)
    yield _shape("responsibilities", r, (4, 3))
    yield _shape("log_likelihood", log_likelihood, ())
    ones = torch.ones(4)
    hint = "The responsibilities of a row must sum to 1."
    yield Check("responsibilities", _close(r.sum(1), ones), hint)
    same, _ = function(x, weights, torch.zeros(3, 2), covariances)
    hint = "With equal components, each responsibility must be the component's weight."
    yield Check("responsibilities", _close(same, weights.expand(4, 3)), hint)
    _, twice = function(torch.cat([x, x]), weights, means, covariances)
    hint = "If every row appears twice, the log likelihood must double."
    yield Check("log likelihood", _close(twice, 2 * log_likelihood), hint)
    far, evidence = function(x + 500.0, weights, means, covariances)
    hint = "For rows far from all components the results must be finite."
    yield Check("underflow", bool(far.isfinite().all() and evidence.isfinite()), hint)


def check_b(function: Function) -> Iterator[Check]:
    """F is at most log p(x), and finite where q is 0."""
    log_joint = torch.tensor([[-1.0, -2.0, -3.5], [-4.0, -0.5, -2.0]])
    q = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    value = function(q, log_joint)
    yield _shape("bound", value, ())
    evidence = torch.logsumexp(log_joint, 1).sum()
    yield Check("bound", bool(value < evidence), "The bound must lie below log p(x).")
    best = function(torch.softmax(log_joint, 1), log_joint)
    yield Check("bound", _close(best, evidence), "At the posterior the bound must equal log p(x).")
    hard = function(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), log_joint)
    yield Check("zero probability", bool(hard.isfinite()), "Zeros in q must not make it NaN.")


def check_c(function: Function) -> Iterator[Check]:
    """Weights sum to 1, covariances are symmetric, the means average to the data's mean."""
    x = _mixture()[0]
    r = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]])
    weights, means, covariances = function(x, r)
    yield _shape("weights", weights, (3,))
    yield _shape("means", means, (3, 2))
    yield _shape("covariances", covariances, (3, 2, 2))
    yield Check("weights", _close(weights.sum(), torch.ones(())), "The weights must sum to 1.")
    hint = "The weighted average of the means must be the mean of all rows."
    yield Check("means", _close(weights @ means, x.mean(0)), hint)
    hint = "Every covariance must be symmetric."
    yield Check("covariances", _close(covariances, covariances.mT), hint)
    moved = function(x + 10.0, r)[2]
    hint = "Moving all rows by a constant must leave the covariances as they are."
    yield Check("covariances", _close(moved, covariances), hint)


def _chain(times: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    initial = torch.tensor([0.6, 0.3, 0.1])
    transition = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])
    waves = torch.arange(3.0 * times).reshape(times, 3).sin()
    return initial, transition, waves - 1.5


def check_d(function: Function) -> Iterator[Check]:
    """Without information in the data, alpha is the marginal of the states."""
    initial, transition, log_emission = _chain()
    log_alpha, log_likelihood = function(initial, transition, log_emission)
    yield _shape("log_alpha", log_alpha, (4, 3))
    yield _shape("log_likelihood", log_likelihood, ())
    silent = torch.zeros(4, 3)
    log_marginal, nothing = function(initial, transition, silent)
    ones = log_marginal.exp().sum(1)
    hint = "If every emission has probability 1, each row of alpha must sum to 1."
    yield Check("forward", _close(ones, torch.ones(4)), hint)
    yield Check("log likelihood", _close(nothing, torch.zeros(())), "Then p(x) must be 1.")
    shifted = function(initial, transition, log_emission + 1.0)[1]
    hint = "Adding 1 to each of 4 rows of log_emission must add 4 to log p(x)."
    yield Check("log likelihood", _close(shifted, log_likelihood + 4.0), hint)
    far = function(initial, transition, _chain(600)[2])[1]
    yield Check("underflow", bool(far.isfinite()), "For 600 times log p(x) must be finite.")


def check_e(function: Function) -> Iterator[Check]:
    """Beta is 1 at the end, and everywhere if the data have probability 1."""
    _, transition, log_emission = _chain()
    log_beta = function(transition, log_emission)
    yield _shape("log_beta", log_beta, (4, 3))
    hint = "The last row of log beta must be 0."
    yield Check("backward", _close(log_beta[-1], torch.zeros(3)), hint)
    silent = function(transition, torch.zeros(4, 3))
    hint = "If every emission has probability 1, log beta must be 0 everywhere."
    yield Check("backward", _close(silent, torch.zeros(4, 3)), hint)
    far = function(transition, _chain(600)[2])
    yield Check("underflow", bool(far.isfinite().all()), "For 600 times log beta must be finite.")


def check_f(function: Function) -> Iterator[Check]:
    """Where the data say nothing, the posterior is the prior; pairs sum to single states."""
    initial, transition, _ = _chain()
    powers = [initial @ torch.linalg.matrix_power(transition, t) for t in range(4)]
    silent, prior = torch.zeros(4, 3), torch.stack(powers)
    single, pairs = function(prior.log(), silent, transition, silent)
    yield _shape("single", single, (4, 3))
    yield _shape("pairs", pairs, (3, 3, 3))
    hint = "If the data say nothing, gamma must be the prior of the states."
    yield Check("single", _close(single, prior), hint)
    hint = "xi summed over the later state must be gamma of the earlier one."
    yield Check("pairs", _close(pairs.sum(2), single[:-1]), hint)
    hint = "xi summed over the earlier state must be gamma of the later one."
    yield Check("pairs", _close(pairs.sum(1), single[1:]), hint)


def check_g(function: Function) -> Iterator[Check]:
    """Every row is a distribution; states that are known make it counting."""
    states = torch.tensor([[0, 0, 1, 0], [1, 1, 0, 1]])
    single = torch.nn.functional.one_hot(states, 2).float()
    pairs = single[:, :-1, :, None] * single[:, 1:, None, :]
    observed = torch.nn.functional.one_hot(torch.tensor([[0, 1, 2, 0], [2, 2, 1, 2]]), 3).float()
    initial, transition, emission = function(single, pairs, observed)
    yield _shape("initial", initial, (2,))
    yield _shape("transition", transition, (2, 2))
    yield _shape("emission", emission, (2, 3))
    hint = "The initial distribution must sum to 1."
    yield Check("initial", _close(initial.sum(), torch.ones(())), hint)
    hint = "Each row of the transition matrix must sum to 1."
    yield Check("transition", _close(transition.sum(1), torch.ones(2)), hint)
    hint = "Each row of the emission matrix must sum to 1."
    yield Check("emission", _close(emission.sum(1), torch.ones(2)), hint)
    constant = observed[:1, :1].expand(2, 4, 3)
    unseen = function(single, pairs, constant)[2][:, 1:]
    hint = "A symbol that never occurs must have probability 0."
    yield Check("emission", _close(unseen, torch.zeros(2, 2)), hint)
