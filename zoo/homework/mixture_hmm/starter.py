# %% [markdown]
# # Mixtures of normals and hidden Markov models
#
# `statement.md` holds the equations and says what each part asks. Replace the body of each
# function; keep its name, its arguments and the order of its results.

# %%
import torch
from torch import Tensor

# %% [markdown]
# ## Part a. Responsibilities


# %%
def responsibilities(
    x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor
) -> tuple[Tensor, Tensor]:
    """The E step of a mixture of normals, equations (1) and (2).

    Args:
        x: rows, (N, D).
        weights: pi, (K,), positive, they sum to 1.
        means: mu, (K, D).
        covariances: Sigma, (K, D, D).

    Returns:
        responsibilities: r, (N, K).
        log_likelihood: sum over the rows of log p(x_n), nats, ().
    """
    raise NotImplementedError("part a: responsibilities")


# %% [markdown]
# ## Part b. The bound that EM climbs


# %%
def bound(q: Tensor, log_joint: Tensor) -> Tensor:
    """The lower bound on the log likelihood, equation (3).

    Args:
        q: a distribution over components for each row, (N, K); entries may be 0.
        log_joint: log pi_k N(x_n; mu_k, Sigma_k), nats, (N, K).

    Returns:
        bound: F, nats, ().
    """
    raise NotImplementedError("part b: bound")


# %% [markdown]
# ## Part c. The M step


# %%
def maximisation(x: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The M step of a mixture of normals, equation (4).

    Args:
        x: rows, (N, D).
        r: responsibilities, (N, K).

    Returns:
        weights: pi, (K,).
        means: mu, (K, D).
        covariances: Sigma, (K, D, D).
    """
    raise NotImplementedError("part c: maximisation")


# %% [markdown]
# ## Part d. The forward pass


# %%
def forward(initial: Tensor, transition: Tensor, log_emission: Tensor) -> tuple[Tensor, Tensor]:
    """The forward recursion of a hidden Markov model, equation (5).

    Args:
        initial: p(z_1 = i), (S,).
        transition: A[i, j] = p(z_{t+1} = j | z_t = i), (S, S).
        log_emission: log p(x_t | z_t = i), nats, (T, S).

    Returns:
        log_alpha: log p(x_1, ..., x_t, z_t = i), nats, (T, S).
        log_likelihood: log p(x_1, ..., x_T), nats, ().
    """
    raise NotImplementedError("part d: forward")


# %% [markdown]
# ## Part e. The backward pass


# %%
def backward(transition: Tensor, log_emission: Tensor) -> Tensor:
    """The backward recursion of a hidden Markov model, equation (6).

    Args:
        transition: A[i, j] = p(z_{t+1} = j | z_t = i), (S, S).
        log_emission: log p(x_t | z_t = i), nats, (T, S).

    Returns:
        log_beta: log p(x_{t+1}, ..., x_T | z_t = i), nats, (T, S); its last row is 0.
    """
    raise NotImplementedError("part e: backward")


# %% [markdown]
# ## Part f. Posteriors of one state and of two neighbours


# %%
def posteriors(
    log_alpha: Tensor, log_beta: Tensor, transition: Tensor, log_emission: Tensor
) -> tuple[Tensor, Tensor]:
    """The posterior of one state and of two neighbouring states, equations (7) and (8).

    Args:
        log_alpha: from the forward pass, nats, (T, S).
        log_beta: from the backward pass, nats, (T, S).
        transition: A[i, j] = p(z_{t+1} = j | z_t = i), (S, S).
        log_emission: log p(x_t | z_t = i), nats, (T, S).

    Returns:
        single: gamma, p(z_t = i | x_1, ..., x_T), (T, S).
        pairs: xi, p(z_t = i, z_{t+1} = j | x_1, ..., x_T), (T - 1, S, S).
    """
    raise NotImplementedError("part f: posteriors")


# %% [markdown]
# ## Part g. Baum-Welch


# %%
def baum_welch(single: Tensor, pairs: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The M step of a hidden Markov model with V symbols, equation (9).

    Args:
        single: gamma of B sequences of length T, (B, T, S).
        pairs: xi of these sequences, (B, T - 1, S, S).
        observed: the symbols, one-hot, (B, T, V).

    Returns:
        initial: p(z_1 = i), (S,).
        transition: A[i, j] = p(z_{t+1} = j | z_t = i), (S, S).
        emission: E[i, v] = p(x_t = v | z_t = i), (S, V).
    """
    raise NotImplementedError("part g: baum_welch")


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
# EM on 300 points from three normals: the log likelihood never falls. This cell runs in the
# notebook only.

# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    places = torch.tensor([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    points = places[torch.randint(3, (300,))] + torch.randn(300, 2)
    pi, mu, sigma = torch.full((3,), 1 / 3), points[:3], torch.eye(2).expand(3, 2, 2)
    for step in range(20):
        r, log_likelihood = responsibilities(points, pi, mu, sigma)
        pi, mu, sigma = maximisation(points, r)
        if step % 4 == 0:
            print(f"step {step:2d}: {log_likelihood:.2f} nats")
