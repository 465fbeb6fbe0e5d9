"""torch.distributions and Pyro in place of formulas; derivatives by autograd."""

import pyro.distributions
import torch
from torch import Tensor, distributions


def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.expand(z.shape).clone().requires_grad_()
    log_q = pyro.distributions.Bernoulli(logits=leaf).to_event(1).log_prob(z)
    (score,) = torch.autograd.grad(log_q.sum(), leaf)
    return log_q.detach(), score


def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    move = torch.zeros_like(score[0], requires_grad=True)
    signal = log_p - log_q
    objective = (signal * (score * move).sum(-1)).mean(0).sum()
    return torch.autograd.grad(objective, move)[0]


def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    # The magic box: one in value, the score in gradient (DiCE).
    box = torch.exp(log_q - log_q.detach())
    return (box * (log_p - log_q)).mean(0).sum()


def _under(q: Tensor) -> distributions.Categorical:
    return distributions.Categorical(probs=q.T)


def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    probs = _under(q).probs.T.unsqueeze(-1)
    terms = (signal.unsqueeze(-1) - baseline) * score
    # Half the mean squared difference of two independent draws.
    steps = (terms.unsqueeze(0) - terms.unsqueeze(1)) ** 2
    return 0.5 * (probs.unsqueeze(0) * probs.unsqueeze(1) * steps).sum((0, 1)) / particles


def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    b = torch.zeros_like(score[0], requires_grad=True)
    second = (q.unsqueeze(-1) * ((signal.unsqueeze(-1) - b) * score) ** 2).sum(0)
    (slope,) = torch.autograd.grad(second.sum(), b, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), b)
    return (-slope / curvature).detach()


def rloo(signal: Tensor, score: Tensor) -> Tensor:
    leaf = torch.zeros_like(score[0], requires_grad=True)
    log_q = (score * leaf).sum(-1)
    size = len(signal)
    advantage = size / (size - 1) * (signal - signal.mean(0))
    return torch.autograd.grad((advantage * log_q).mean(0).sum(), leaf)[0]
