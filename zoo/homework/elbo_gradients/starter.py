# %% [markdown]
# # The ELBO and its reparameterised gradients
#
# `statement.md` holds the equations and says what each part asks. Replace the body of each
# function; keep its name, its arguments and the order of its results.

# %%
import torch
from torch import Tensor

# %% [markdown]
# ## Part a. The three terms of the ELBO


# %%
def elbo_terms(
    z: Tensor, a: Tensor, y: Tensor, noise: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The three log densities of equation (2), for each of S draws.

    Args:
        z: draws of the latent, (S, D).
        a: A, (M, D).
        y: data, (M,).
        noise: s, a standard deviation, ().
        loc: m, the mean of q, (D,).
        scale: the standard deviations of q, (D,).

    Returns:
        log_likelihood: log p(y | z), nats, (S,).
        log_prior: log p(z), nats, (S,).
        log_q: log q(z), nats, (S,).
    """
    raise NotImplementedError("part a: elbo_terms")


# %% [markdown]
# ## Part b. The ELBO in closed form


# %%
def closed_form(
    a: Tensor, y: Tensor, noise: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """The two terms of equation (3) without draws.

    Args:
        a: A, (M, D).
        y: data, (M,).
        noise: s, a standard deviation, ().
        loc: m, the mean of q, (D,).
        scale: the standard deviations of q, (D,).

    Returns:
        expected_log_likelihood: E_q[log p(y | z)], nats, ().
        kl: KL(q || p(z)), nats, ().
    """
    raise NotImplementedError("part b: closed_form")


# %% [markdown]
# ## Part c. A reparameterised draw of a diagonal normal


# %%
def draw_diagonal(eps: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """Standard normal noise turned into draws of q, equation (4).

    Args:
        eps: noise, (S, D).
        loc: m, (D,).
        log_scale: the logarithms of the standard deviations, (D,).

    Returns:
        z: draws that autograd can follow back to loc and log_scale, (S, D).
    """
    raise NotImplementedError("part c: draw_diagonal")


# %% [markdown]
# ## Part d. The ELBO of a diagonal normal, estimated


# %%
def elbo_diagonal(
    eps: Tensor, loc: Tensor, log_scale: Tensor, a: Tensor, y: Tensor, noise: Tensor
) -> Tensor:
    """The mean over S draws of equation (5), for autograd.

    Args:
        eps: noise, (S, D).
        loc: m, (D,).
        log_scale: the logarithms of the standard deviations of q, (D,).
        a: A, (M, D).
        y: data, (M,).
        noise: s, a standard deviation, ().

    Returns:
        elbo: the estimate, nats, ().
    """
    raise NotImplementedError("part d: elbo_diagonal")


# %% [markdown]
# ## Part e. A reparameterised draw of a full-covariance normal


# %%
def draw_full(eps: Tensor, loc: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Noise turned into draws of a normal with covariance L L', and their log density.

    Args:
        eps: noise, (S, D).
        loc: m, (D,).
        raw: free numbers from which L is made by equation (6), (D, D).

    Returns:
        z: draws, (S, D).
        log_q: log q(z) by equation (7), nats, (S,).
    """
    raise NotImplementedError("part e: draw_full")


# %% [markdown]
# ## Part f. The ELBO of a full-covariance normal, estimated


# %%
def elbo_full(
    eps: Tensor, loc: Tensor, raw: Tensor, a: Tensor, y: Tensor, noise: Tensor
) -> Tensor:
    """The mean over S draws of log p(y, z) - log q(z) for the q of part e.

    Args:
        eps: noise, (S, D).
        loc: m, (D,).
        raw: free numbers from which L is made by equation (6), (D, D).
        a: A, (M, D).
        y: data, (M,).
        noise: s, a standard deviation, ().

    Returns:
        elbo: the estimate, nats, ().
    """
    raise NotImplementedError("part f: elbo_full")


# %% [markdown]
# ## Part g. The best diagonal normal


# %%
def best_diagonal(a: Tensor, y: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The diagonal normal with the largest ELBO, and what it misses.

    Args:
        a: A, (M, D).
        y: data, (M,).
        noise: s, a standard deviation, ().

    Returns:
        loc: its mean, (D,).
        scale: its standard deviations, (D,).
        gap: log p(y) minus its ELBO, nats, ().
    """
    raise NotImplementedError("part g: best_diagonal")


# %% [markdown]
# ## Part h. In writing
#
# 1. Your answer:
#
# 2. Your answer:
#
# 3. Your answer:

# %% [markdown]
# ## Your functions at work
#
# Both normals are fitted by gradient ascent. The full one reaches log p(y), the diagonal one stays
# below it by the gap of part g. This cell runs in the notebook only.

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    a, noise = torch.tensor([[1.0, 0.9], [0.0, 0.5], [1.0, 0.3]]), torch.tensor(0.5)
    y = torch.tensor([1.0, -0.5, 0.3])
    covariance = a @ a.T + noise**2 * torch.eye(3)
    log_evidence = torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(y)
    for name, estimate, start in (
        ("diagonal", elbo_diagonal, torch.zeros(2)),
        ("full", elbo_full, torch.zeros(2, 2)),
    ):
        loc, spread = torch.zeros(2, requires_grad=True), start.requires_grad_()
        optimizer = torch.optim.Adam([loc, spread], lr=0.02)
        for _ in range(600):
            optimizer.zero_grad()
            (-estimate(torch.randn(16, 2), loc, spread, a, y, noise)).backward()
            optimizer.step()
        elbo = estimate(torch.randn(20_000, 2), loc, spread, a, y, noise).item()
        print(f"{name:8s} ELBO {elbo:.3f}, log p(y) {log_evidence:.3f} nats")
    print(f"gap of part g: {best_diagonal(a, y, noise)[2]:.3f} nats")
