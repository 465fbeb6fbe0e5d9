"""Everything as einsum; the log probability as a sum of two log-sigmoids."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    ones = torch.ones_like(logits)
    one = torch.einsum("knd,nd->kn", z, logsigmoid(logits))
    zero = torch.einsum("knd,nd->kn", 1 - z, logsigmoid(-logits))
    score = torch.einsum("knd,nd->knd", z, ones) - logits.sigmoid()[None]
    return one + zero, score


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    return torch.einsum("kn,knd->nd", log_p - log_q, score) / log_p.size(0)


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    with torch.no_grad():
        signal = log_p - log_q
    return (torch.einsum("kn,kn->", signal, log_q) + log_p.sum()) / len(log_p)


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    rest = signal[:, :, None] - baseline[None]
    first = torch.einsum("sn,sn,snd->nd", q, signal, score)
    second = torch.einsum("sn,snd,snd->nd", q, rest**2, score**2)
    return (second - first**2) / particles


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    above = torch.einsum("sn,sn,snd,snd->nd", q, signal, score, score)
    return above / torch.einsum("sn,snd,snd->nd", q, score, score)


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    size = len(signal)
    # One matrix takes the mean of the others from each particle.
    centre = (size * torch.eye(size, dtype=signal.dtype) - 1) / (size - 1)
    return torch.einsum("kj,jn,knd->nd", centre, signal, score) / size
