# %% [markdown]
# # Importance weights: the IWAE bound, diagnostics and annealing
#
# The equations and the points are in `statement.md`. Replace each `raise NotImplementedError(...)`
# by your code. Keep the names and the arguments of the functions. Every function is judged on its
# own, with inputs that do not come from your other functions.

# %%
import math

import torch
from torch import Tensor

# %% [markdown]
# ## Given functions
#
# These are complete. You may use them in every part.


# %%
def log_normal(value: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    """Log density of a normal with a diagonal covariance, summed over the last axis.

    Args:
        value: where to evaluate the density, shape (..., D).
        mean: the mean, a shape that broadcasts with value.
        log_sd: the natural logarithm of the standard deviation, likewise.

    Returns:
        Log density in nats, shape (...).
    """
    standard = (value - mean) * torch.exp(-log_sd)
    return (-0.5 * standard**2 - log_sd - 0.5 * math.log(2 * math.pi)).sum(-1)


def log_likelihood(z: Tensor, x: Tensor, slope: Tensor, noise: Tensor) -> Tensor:
    """Log p(x | z) of one row x for many scalar latents, as the annealing parts need it.

    Args:
        z: latents, one a chain, shape (C,).
        x: the row, shape (D,).
        slope: a, shape (D,).
        noise: s, the standard deviation of x given z, shape ().

    Returns:
        Log density in nats, shape (C,).
    """
    return log_normal(x, z[:, None] * slope, noise.log())


def move(z: Tensor, eps: Tensor, beta: Tensor, x: Tensor, slope: Tensor, noise: Tensor) -> Tensor:
    """One transition that leaves pi_beta(z) invariant and is reversible with respect to it.

    pi_beta is proportional to p(z) p(x | z)^beta, here a normal with mean m and precision c;
    the new state is m + 0.6 (z - m) + 0.8 eps / sqrt(c).

    Args:
        z: states, shape (C,).
        eps: standard normal noise, shape (C,).
        beta: inverse temperature, shape ().
        x: the row, shape (D,).
        slope: a, shape (D,).
        noise: s, shape ().

    Returns:
        New states, shape (C,).
    """
    precision = 1 + beta * (slope @ slope) / noise**2
    mean = beta * (slope @ x) / noise**2 / precision
    return mean + 0.6 * (z - mean) + 0.8 * eps / precision.sqrt()


# %% [markdown]
# ## Part a: importance weights (5 points)


# %%
def log_weights(
    eps: Tensor, x: Tensor, loc: Tensor, log_sd: Tensor, slope: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Draws from the guide and their log importance weights.

    Args:
        eps: standard normal noise, shape (K, N, L).
        x: rows of data, shape (N, D).
        loc: m, the guide's means, shape (N, L).
        log_sd: r, logarithms of the guide's standard deviations, shape (N, L).
        slope: A, shape (D, L).
        noise: s, the standard deviation of x given z, shape ().

    Returns:
        z, the draws, shape (K, N, L), and log_w, nats, shape (K, N).
    """
    z = loc + log_sd.exp() * eps
    prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    likelihood = log_normal(x, z @ slope.T, noise.log())
    guide = log_normal(z, loc, log_sd)
    return z, prior + likelihood - guide


# %% [markdown]
# ## Part b: the IWAE bound (4 points)


# %%
def iwae_bound(log_w: Tensor) -> Tensor:
    """The bound L_K of each row from its K log-weights.

    Args:
        log_w: log-weights in nats, shape (K, N). They may be as low as -5000 or as high as 5000.

    Returns:
        The bound in nats, shape (N,).
    """
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


# %% [markdown]
# ## Part c: the doubly reparameterised gradient (6 points)


# %%
def dreg_loss(
    eps: Tensor, x: Tensor, loc: Tensor, log_sd: Tensor, slope: Tensor, noise: Tensor
) -> Tensor:
    """A scalar whose gradient is minus the doubly reparameterised gradient of the bound.

    The grader calls `torch.autograd.grad(dreg_loss(...), (loc, log_sd))`. The value of the scalar
    does not matter; only its gradient does.

    Args:
        eps: standard normal noise, shape (K, N, L).
        x: rows of data, shape (N, D).
        loc: m, the guide's means, shape (N, L); has requires_grad.
        log_sd: r, logarithms of the guide's standard deviations, shape (N, L); has requires_grad.
        slope: A, shape (D, L).
        noise: s, shape ().

    Returns:
        The loss, summed over rows, shape ().
    """
    z = loc + log_sd.exp() * eps
    prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    likelihood = log_normal(x, z @ slope.T, noise.log())
    guide = log_normal(z, loc.detach(), log_sd.detach())
    log_w = prior + likelihood - guide
    normalised = torch.softmax(log_w, 0).detach()
    return -(normalised**2 * log_w).sum()


# %% [markdown]
# ## Part d: self-normalised importance sampling (4 points)


# %%
def self_normalised(log_w: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """A posterior mean by self-normalised importance sampling, and the effective sample size.

    Args:
        log_w: log-weights in nats, shape (S, N). They may be as low as -5000 or as high as 5000.
        values: h(z) at the same draws, shape (S, N).

    Returns:
        estimate, of E[h(z) | x], shape (N,), and ess, between 1 and S, shape (N,).
    """
    normalised = torch.softmax(log_w, 0)
    estimate = (normalised * values).sum(0)
    return estimate, 1 / (normalised**2).sum(0)


# %% [markdown]
# ## Part e: the tail of the weights (3 points)


# %%
def tail_excess(log_w: Tensor) -> Tensor:
    """By how much the M largest weights exceed the next one, in units of the largest weight.

    Args:
        log_w: log-weights in nats, shape (S,), in any order.

    Returns:
        e_1 <= ... <= e_M, in ascending order, shape (M,).
    """
    count = math.ceil(min(len(log_w) / 5, 3 * math.sqrt(len(log_w))))
    weights = (log_w - log_w.max()).exp().sort().values
    return weights[-count:] - weights[-count - 1]


# %% [markdown]
# ## Part f: Pareto k-hat (5 points)


# %%
def k_hat(excess: Tensor) -> Tensor:
    """The shape of the generalised Pareto distribution that is fitted to a tail.

    Args:
        excess: e_1 <= ... <= e_M, all above 0, shape (M,).

    Returns:
        k-hat, shape ().
    """
    count = len(excess)
    tried = 30 + math.floor(math.sqrt(count))
    quartile = excess[math.floor(count / 4 + 0.5) - 1]
    j = torch.arange(1, tried + 1, dtype=excess.dtype)
    theta = 1 / excess[-1] + (1 - (tried / (j - 0.5)).sqrt()) / (3 * quartile)
    shape = torch.log1p(-theta[:, None] * excess).mean(1)
    log_profile = count * ((-theta / shape).log() - shape - 1)
    best = (torch.softmax(log_profile, 0) * theta).sum()
    raw = torch.log1p(-best * excess).mean()
    return (count * raw + 10 * 0.5) / (count + 10)


# %% [markdown]
# ## Part g: annealed importance sampling (5 points)


# %%
def ais_log_weights(
    z: Tensor, eps: Tensor, betas: Tensor, x: Tensor, slope: Tensor, noise: Tensor
) -> Tensor:
    """Log-weights of chains that run from the prior to the posterior.

    Args:
        z: draws from the prior, one a chain, shape (C,).
        eps: standard normal noise of the transitions, shape (T - 1, C).
        betas: 0 = beta_0 < ... < beta_T = 1, shape (T + 1,).
        x: one row of data, shape (D,).
        slope: a, shape (D,).
        noise: s, shape ().

    Returns:
        log w of each chain, nats, shape (C,).
    """
    log_w = torch.zeros_like(z)
    for t in range(1, len(betas)):
        log_w = log_w + (betas[t] - betas[t - 1]) * log_likelihood(z, x, slope, noise)
        if t < len(betas) - 1:
            z = move(z, eps[t - 1], betas[t], x, slope, noise)
    return log_w


# %% [markdown]
# ## Part h: the chain run backwards (4 points)


# %%
def reverse_log_weights(
    z: Tensor, eps: Tensor, betas: Tensor, x: Tensor, slope: Tensor, noise: Tensor
) -> Tensor:
    """Log-weights of chains that run from the posterior to the prior.

    Args:
        z: exact draws from the posterior, one a chain, shape (C,).
        eps: standard normal noise of the transitions, shape (T - 1, C).
        betas: 0 = beta_0 < ... < beta_T = 1, shape (T + 1,): in the order of part g.
        x: one row of data, shape (D,).
        slope: a, shape (D,).
        noise: s, shape ().

    Returns:
        log w of each chain, with w as in part g (not 1 / w), nats, shape (C,).
    """
    log_w = torch.zeros_like(z)
    for t in range(len(betas) - 1, 0, -1):
        log_w = log_w + (betas[t] - betas[t - 1]) * log_likelihood(z, x, slope, noise)
        if t > 1:
            z = move(z, eps[t - 2], betas[t - 1], x, slope, noise)
    return log_w


# %% [markdown]
# ## Part i: the sandwich (4 points)


# %%
def sandwich(forward: Tensor, reverse: Tensor) -> tuple[Tensor, Tensor]:
    """A lower and an upper bound of log p(x) from chains both ways.

    Args:
        forward: log w of chains from the prior to the posterior, nats, shape (C,).
        reverse: log w of chains from the posterior to the prior, nats, shape (R,).

    Returns:
        lower and upper, nats, shape () each.
    """
    lower = torch.logsumexp(forward, 0) - math.log(len(forward))
    upper = math.log(len(reverse)) - torch.logsumexp(-reverse, 0)
    return lower, upper


# %% [markdown]
# ## Part j: in words (10 points)
#
# 1. Your answer:
#
# 2. Your answer:
#
# 3. Your answer:

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    loading, spread = torch.tensor([[1.0], [-0.5]]), torch.tensor(0.5)
    row = torch.tensor([[0.8, -1.0]])
    covariance = loading @ loading.T + spread**2 * torch.eye(2)
    exact = torch.distributions.MultivariateNormal(torch.zeros(2), covariance).log_prob(row[0])
    print(f"log p(x) = {exact:.4f} nats; the bound with the prior as guide, mean of 2,000:")
    prior = torch.zeros(2000, 1)
    for draws in (1, 10, 100):
        noise = torch.randn(draws, 2000, 1)
        _, weights = log_weights(noise, row.expand(2000, 2), prior, prior, loading, spread)
        print(f"K = {draws:3d}: {iwae_bound(weights).mean():.4f}")
