"""Log q with its parameters stopped where it is estimated: the mean is the same."""

import torch
from torch.distributions import Independent, MultivariateNormal, Normal


def elbo_terms(z, a, y, noise, loc, scale):
    fitted = torch.stack([a @ row for row in z])
    names = ("log_q", "log_prior", "log_likelihood")
    terms = (
        Normal(loc, scale).log_prob(z).sum(1),
        Normal(loc * 0, scale**0).log_prob(z).sum(1),
        Normal(fitted, noise.expand(fitted.shape)).log_prob(y).sum(1),
    )
    return dict(zip(names, terms, strict=True))


def closed_form(a, y, noise, loc, scale):
    """The mean over all points m + scale * (+1 or -1): exact for a quadratic."""
    signs = torch.tensor([-1.0, 1.0], dtype=loc.dtype)
    points = loc + scale * torch.cartesian_prod(*[signs] * len(loc))
    terms = elbo_terms(points, a, y, noise, loc, scale)
    kl = (terms["log_q"] - terms["log_prior"]).mean()
    return {"kl": kl, "expected_log_likelihood": terms["log_likelihood"].mean()}


def draw_diagonal(eps, loc, log_scale):
    spread = torch.diag_embed(log_scale).exp().diagonal()
    return eps.mul(spread).add(loc)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    z = draw_diagonal(eps, loc, log_scale)
    stopped = Normal(loc.detach(), log_scale.detach().exp())
    log_joint = Normal(z @ a.mT, noise).log_prob(y).sum(-1) + Normal(0.0, 1.0).log_prob(z).sum(-1)
    return (log_joint - stopped.log_prob(z).sum(-1)).mean()


def _lower(raw):
    rows, columns = torch.tril_indices(len(raw), len(raw), offset=-1)
    lower = torch.diag(raw.diagonal().exp())
    return lower.index_put((rows, columns), raw[rows, columns])


def draw_full(eps, loc, raw):
    lower = _lower(raw)
    z = loc + torch.matmul(lower, eps.unsqueeze(-1)).squeeze(-1)
    covariance = MultivariateNormal(loc, covariance_matrix=lower @ lower.mT)
    return {"log_q": covariance.log_prob(z), "z": z}


def elbo_full(eps, loc, raw, a, y, noise):
    z = draw_full(eps, loc, raw)["z"]
    stopped = MultivariateNormal(loc.detach(), scale_tril=_lower(raw).detach())
    log_joint = Independent(Normal(z @ a.mT, noise), 1).log_prob(y)
    log_joint = log_joint + Independent(Normal(torch.zeros_like(z), 1.0), 1).log_prob(z)
    return {"elbo": (log_joint - stopped.log_prob(z)).mean()}


def best_diagonal(a, y, noise):
    """The mean by the gain matrix, the determinant by Sylvester's identity."""
    data = a @ a.T + noise**2 * torch.eye(len(y), dtype=a.dtype)
    loc = a.T @ torch.linalg.solve(data, y)
    log_det = torch.logdet(data) - len(y) * torch.log(noise**2)
    variances = noise**2 / (noise**2 + (a**2).sum(0))
    return {"gap": -0.5 * (variances.log().sum() + log_det), "scale": variances.sqrt(), "loc": loc}
