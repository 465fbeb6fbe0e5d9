"""Everything as einsum or matrix products of log_softmax."""

import torch
from torch import Tensor


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    joint = log_prior[None, :] + log_likelihood
    log_posterior = joint.log_softmax(-1)
    # log p(x) = E_posterior[log joint] + entropy.
    evidence = torch.einsum("ns,ns->", log_posterior.exp(), joint - log_posterior)
    return evidence, log_posterior.exp()


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    terms = torch.einsum("gs,n->gns", log_local, torch.ones_like(log_likelihood[0, :, 0]))
    rows = torch.logsumexp(terms + log_likelihood, -1)
    joint = torch.einsum("gn->g", rows) + log_global
    posterior = joint.log_softmax(0)
    return torch.einsum("g,g->", posterior.exp(), joint - posterior), posterior.exp()


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    log_q = logits.log_softmax(-1)
    return torch.einsum("ns,ns->n", log_q.exp(), log_joint - log_q).sum()


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    w = logits - uniform.log().neg().log()
    order = torch.argsort(w, dim=1, descending=True)
    return torch.eye(logits.shape[1]).to(logits)[order[:, 0]]


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    return torch.log_softmax(torch.stack([logits, gumbel]).sum(0) / temperature, -1).exp()


def straight_through(y: Tensor) -> Tensor:
    hard = torch.eye(y.shape[-1]).to(y)[y.argmax(-1)].detach()
    return hard - y.detach() + y


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    y = torch.sigmoid((logit + uniform.log() - torch.log1p(-uniform)) / temperature)
    return torch.einsum("m,m,m->m", 2 * (y - target), y, 1 - y) / temperature
