"""NumPy inside, tensors outside."""

import numpy as np
import torch
from torch import Tensor


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    bits, a = z.numpy(), logits.numpy()
    log_q = (bits * a - np.logaddexp(0, a)).sum(axis=2)
    score = bits - 0.5 * (1 + np.tanh(a / 2))
    return torch.from_numpy(log_q), torch.from_numpy(score)


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    signal = log_p.numpy() - log_q.numpy()
    return torch.from_numpy(np.mean(signal[..., None] * score.numpy(), axis=0))


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    signal = torch.tensor(log_p.detach().numpy() - log_q.detach().numpy())
    return torch.sum(signal * log_q + log_p) / log_p.shape[0]


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    f, s, p, b = (tensor.double().numpy() for tensor in (signal, score, q, baseline))
    terms = (f[..., None] - b) * s
    mean = np.average(terms, axis=0, weights=np.broadcast_to(p[..., None], terms.shape))
    square = np.average(terms**2, axis=0, weights=np.broadcast_to(p[..., None], terms.shape))
    return torch.from_numpy((square - mean**2) / particles).to(signal.dtype)


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    f, s, p = (tensor.double().numpy() for tensor in (signal, score, q))
    weights = p[..., None] * s**2
    out = np.average(np.broadcast_to(f[..., None], s.shape), axis=0, weights=weights)
    return torch.from_numpy(out).to(signal.dtype)


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    f, s = signal.numpy(), score.numpy()
    rows = []
    for k in range(len(f)):
        rows.append((f[k] - np.delete(f, k, axis=0).mean(axis=0))[:, None] * s[k])
    return torch.from_numpy(np.stack(rows).mean(axis=0))
