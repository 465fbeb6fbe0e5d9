# %% [markdown]
# # Probabilistic PCA
#
# The equations and the points are in `statement.md`. Replace each `raise NotImplementedError(...)`
# by your code. Keep the names and the arguments of the functions.

# %%
import torch
from torch import Tensor

# %% [markdown]
# ## Part a: the marginal of x (4 points)


# %%
def marginal(w: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x.

    Args:
        w: W (D, K).
        mu: (D,).
        sigma: standard deviation of the noise, shape ().

    Returns:
        mean (D,) and covariance (D, D).
    """
    raise NotImplementedError("part a: marginal")


# %% [markdown]
# ## Part b: the posterior of z (5 points)


# %%
def posterior(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Means and covariance of z given each row of x.

    Args:
        x: rows (N, D).
        w: W (D, K).
        mu: (D,).
        sigma: standard deviation of the noise, shape ().

    Returns:
        mean (N, K) and covariance (K, K).
    """
    raise NotImplementedError("part b: posterior")


# %% [markdown]
# ## Part c: the log evidence (4 points)


# %%
def log_evidence(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Log p(x_n) of each row, nats.

    Args:
        x: rows (N, D).
        w: W (D, K).
        mu: (D,).
        sigma: standard deviation of the noise, shape ().

    Returns:
        log p(x_n) (N,).
    """
    raise NotImplementedError("part c: log_evidence")


# %% [markdown]
# ## Part d: maximum likelihood in closed form (6 points)


# %%
def maximum_likelihood(x: Tensor, latent: int) -> tuple[Tensor, Tensor, Tensor]:
    """The parameters that maximise the likelihood of the rows.

    Args:
        x: rows (N, D), N > D.
        latent: K, number of latent dimensions, below D.

    Returns:
        w (D, K), mu (D,) and sigma ().
    """
    raise NotImplementedError("part d: maximum_likelihood")


# %% [markdown]
# ## Part e: one step of EM (6 points)


# %%
def em_step(x: Tensor, w: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """One step of EM for W and sigma, with mu held fixed.

    Args:
        x: rows (N, D).
        w: present W (D, K).
        mu: (D,).
        sigma: present standard deviation of the noise, shape ().

    Returns:
        new w (D, K) and new sigma ().
    """
    raise NotImplementedError("part e: em_step")


# %% [markdown]
# ## Part f: in words (3 points)
#
# 1. Your answer:
#
# 2. Your answer:
#
# 3. Your answer:

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    true_w, true_mu, true_sigma = torch.randn(6, 2), torch.randn(6), torch.tensor(0.3)
    rows = torch.randn(200, 2) @ true_w.T + true_mu + true_sigma * torch.randn(200, 6)
    w, sigma = torch.randn(6, 2), torch.tensor(1.0)
    for step in range(20):
        w, sigma = em_step(rows, w, rows.mean(0), sigma)
        if step % 4 == 0:
            nats = log_evidence(rows, w, rows.mean(0), sigma).sum()
            print(f"step {step:2d}: log p(x) = {nats:.2f} nats, sigma = {sigma:.3f}")
