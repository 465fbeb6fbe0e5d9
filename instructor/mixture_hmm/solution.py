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
    normals = torch.distributions.MultivariateNormal(means, covariances)
    log_joint = weights.log() + normals.log_prob(x[:, None, :])
    evidence = torch.logsumexp(log_joint, dim=1)
    return torch.exp(log_joint - evidence[:, None]), evidence.sum()


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
    energy = (q * log_joint).sum()
    entropy = -torch.special.xlogy(q, q).sum()
    return energy + entropy


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
    counts = r.sum(0)
    means = r.mT @ x / counts[:, None]
    centred = x[:, None, :] - means
    scatter = torch.einsum("nk,nki,nkj->kij", r, centred, centred)
    return counts / len(x), means, scatter / counts[:, None, None]


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
    rows = [initial.log() + log_emission[0]]
    for emission in log_emission[1:]:
        arrived = torch.logsumexp(rows[-1][:, None] + transition.log(), dim=0)
        rows.append(arrived + emission)
    return torch.stack(rows), torch.logsumexp(rows[-1], dim=0)


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
    rows = [torch.zeros_like(log_emission[0])]
    for ahead in log_emission[1:].flip(0):
        terms = transition.log() + ahead + rows[-1]
        rows.append(torch.logsumexp(terms, dim=1))
    return torch.stack(rows[::-1])


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
    log_likelihood = torch.logsumexp(log_alpha[-1], dim=0)
    single = log_alpha + log_beta - log_likelihood
    future = log_emission[1:] + log_beta[1:]
    pairs = log_alpha[:-1, :, None] + transition.log() + future[:, None, :] - log_likelihood
    return single.exp(), pairs.exp()


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
    moves = pairs.sum((0, 1))
    emitted = torch.einsum("bti,btv->iv", single, observed)
    return (
        single[:, 0].mean(0),
        moves / moves.sum(1, keepdim=True),
        emitted / emitted.sum(1, keepdim=True),
    )


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
