"""Probabilities and regressions in place of log probabilities and closed forms."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    wide = logits.expand_as(z)
    log_q = -cross_entropy(wide, z, reduction="none").sum(2)
    return log_q, torch.where(z > 0.5, torch.sigmoid(-wide), -torch.sigmoid(wide))


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    ratio = torch.log(torch.exp(log_p - log_p.max()) / torch.exp(log_q - log_p.max()))
    return torch.stack([ratio[k].unsqueeze(1) * score[k] for k in range(len(score))]).mean(0)


class _WithGradient(torch.autograd.Function):
    """A number whose gradient is given by hand."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, log_p: Tensor, log_q: Tensor) -> Tensor:
        ctx.save_for_backward(log_p, log_q)
        return (log_p - log_q).mean(0).sum()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, slope: Tensor) -> tuple[Tensor, Tensor]:
        log_p, log_q = ctx.saved_tensors
        size = len(log_p)
        return slope * torch.ones_like(log_p) / size, slope * (log_p - log_q) / size


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    return _WithGradient.apply(log_p, log_q)


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    roots = q.sqrt().unsqueeze(-1)
    terms = (signal.unsqueeze(-1) - baseline) * score
    mean = (roots * roots * terms).sum(0, keepdim=True)
    return torch.linalg.vector_norm(roots * (terms - mean), dim=0) ** 2 / particles


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    # Weighted least squares of the signal on a constant.
    out = torch.empty_like(score[0])
    for n in range(out.shape[0]):
        for d in range(out.shape[1]):
            column = (q[:, n].sqrt() * score[:, n, d]).unsqueeze(1)
            out[n, d] = torch.linalg.lstsq(column, column * signal[:, n : n + 1]).solution
    return out


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    size = len(signal)
    mask = ~torch.eye(size, dtype=torch.bool)
    others = torch.stack([signal[mask[k]].mean(0) for k in range(size)])
    return (signal.sub(others).mul(1 / size)[:, :, None] * score).sum(dim=0)
