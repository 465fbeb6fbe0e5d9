"""Plain loops over particles, rows and bits."""

import math

import torch
from torch import Tensor


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    log_q, score = torch.zeros(z.shape[:2], dtype=logits.dtype), torch.zeros_like(z)
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            for d in range(z.shape[2]):
                a = logits[n, d].item()
                sign = 1 if z[k, n, d] == 1 else -1
                u = -sign * a
                log_q[k, n] -= u + math.log1p(math.exp(-u)) if u > 0 else math.log1p(math.exp(u))
                score[k, n, d] = sign / (1 + math.exp(sign * a))
    return log_q, score


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    total = torch.zeros_like(score[0])
    for k in range(len(log_p)):
        for n in range(log_p.shape[1]):
            total[n] += (log_p[k, n] - log_q[k, n]) * score[k, n]
    return total / len(log_p)


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    total = log_p.new_zeros(())
    for k in range(log_p.shape[0]):
        for n in range(log_p.shape[1]):
            signal = (log_p[k, n] - log_q[k, n]).item()
            total = total + signal * log_q[k, n] + log_p[k, n]
    return total / log_p.shape[0]


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    out = torch.zeros_like(baseline)
    for n in range(out.shape[0]):
        for d in range(out.shape[1]):
            values = [
                (signal[s, n] - baseline[n, d]) * score[s, n, d] for s in range(signal.shape[0])
            ]
            mean = sum(q[s, n] * value for s, value in enumerate(values))
            out[n, d] = sum(q[s, n] * (value - mean) ** 2 for s, value in enumerate(values))
    return out / particles


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    out = torch.zeros_like(score[0])
    for n in range(out.shape[0]):
        for d in range(out.shape[1]):
            above = sum(q[s, n] * signal[s, n] * score[s, n, d] ** 2 for s in range(len(q)))
            below = sum(q[s, n] * score[s, n, d] ** 2 for s in range(len(q)))
            out[n, d] = above / below
    return out


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    particles = signal.shape[0]
    total = torch.zeros_like(score[0])
    for k in range(particles):
        others = [j for j in range(particles) if j != k]
        total = total + (signal[k] - signal[others].mean(0))[:, None] * score[k]
    return total / particles
