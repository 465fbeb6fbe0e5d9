"""Terms of mean zero added or left out: other numbers for one draw, the same mean."""

import torch
from torch import Tensor


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    signs = 2 * z - 1
    margins = signs * logits
    return -torch.logaddexp(-margins, torch.zeros_like(margins)).sum(-1), signs * (
        -margins
    ).sigmoid()


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    # The derivative of -log q inside the expectation is kept; its mean is zero.
    return ((log_p - log_q - 1)[..., None] * score).sum(0) / log_p.shape[0]


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    signal = log_p - log_q
    return (signal.detach() * log_q + signal).mean(0).sum()


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    # The variance without a baseline, and what the baseline changes.
    f, s, p = signal.unsqueeze(-1), score, q.unsqueeze(-1)
    plain = (p * f**2 * s**2).sum(0) - (p * f * s).sum(0) ** 2
    cross, square = (p * f * s**2).sum(0), (p * s**2).sum(0)
    return (plain - 2 * baseline * cross + baseline**2 * square) / particles


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    # The mean of the signal, corrected by its covariance with the squared score.
    p, f = q.unsqueeze(-1), signal.unsqueeze(-1)
    mean = (p * f).sum(0)
    return mean + (p * (f - mean) * score**2).sum(0) / (p * score**2).sum(0)


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    # A sum over unordered pairs.
    size = len(signal)
    left, right = torch.triu_indices(size, size, 1)
    steps = (signal[left] - signal[right])[..., None] * (score[left] - score[right])
    return steps.sum(0) / (size * (size - 1))
