"""One row at a time by matrix products, in float64, with the rows in reverse order."""

import torch
from torch import Tensor


def _rows(tensor: Tensor) -> list[Tensor]:
    return list(tensor.double().unbind(1))[::-1]


def _back(rows: list[Tensor], like: Tensor, dim: int) -> Tensor:
    return torch.stack(rows[::-1], dim).to(like.dtype)


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    log_q, scores = [], []
    for bits, a in zip(_rows(z), logits.double().flip(0), strict=True):
        both = torch.log_softmax(torch.stack([torch.zeros_like(a), a]), 0)
        log_q.append(bits @ both[1] + (1 - bits) @ both[0])
        scores.append(bits - both[1].exp())
    return _back(log_q, logits, 1), _back(scores, logits, 1)


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    rows = zip(_rows(log_p), _rows(log_q), _rows(score), strict=True)
    return _back([(p - q) @ s / len(p) for p, q, s in rows], score, 0)


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    rows = zip(_rows(log_p), _rows(log_q), strict=True)
    return sum((p - q).detach() @ q + p.sum() for p, q in rows) / len(log_p)


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    out = []
    rows = zip(_rows(signal), _rows(score), _rows(q), baseline.double().flip(0), strict=True)
    for f, s, p, b in rows:
        terms = (f[:, None] - b) * s
        centred = terms - p @ terms
        out.append(torch.diagonal(centred.T @ torch.diag(p) @ centred) / particles)
    return _back(out, signal, 0)


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    rows = zip(_rows(signal), _rows(score), _rows(q), strict=True)
    return _back([(p * f) @ s**2 / (p @ s**2) for f, s, p in rows], signal, 0)


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    out = []
    for f, s in zip(_rows(signal), _rows(score), strict=True):
        size = len(f)
        # The covariance of signal and score among the particles.
        out.append((f - f.mean()) @ (s - s.mean(0)) / (size - 1))
    return _back(out, signal, 0)
