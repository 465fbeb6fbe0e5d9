# %% [markdown]
# # The score-function gradient
#
# The equations and the points are in `statement.md`. Replace each
# `raise NotImplementedError(...)` by your code. Keep the names and the arguments of the functions.

# %%
import itertools

import torch
from torch import Tensor

# %% [markdown]
# ## Part a: the log probability and its score (4 points)


# %%
def log_q_and_score(z: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The log probability of each particle under q, and its gradient with respect to the logits.

    Args:
        z: particles (K, N, D), entries 0 or 1.
        logits: lambda (N, D).

    Returns:
        log_q (K, N), nats, and score (K, N, D).
    """
    log_q = (z * logits - torch.nn.functional.softplus(logits)).sum(-1)
    return log_q, z - torch.sigmoid(logits)


# %% [markdown]
# ## Part b: REINFORCE (4 points)


# %%
def reinforce(log_p: Tensor, log_q: Tensor, score: Tensor) -> Tensor:
    """The score-function estimate of the ELBO's gradient with respect to the logits.

    Args:
        log_p: log p(x_n, z_kn) (K, N).
        log_q: log q(z_kn) (K, N).
        score: gradient of log q(z_kn) with respect to lambda_n (K, N, D).

    Returns:
        The estimated gradient (N, D).
    """
    signal = log_p - log_q
    return (signal.unsqueeze(-1) * score).mean(0)


# %% [markdown]
# ## Part c: a surrogate for automatic differentiation (6 points)


# %%
def surrogate(log_p: Tensor, log_q: Tensor) -> Tensor:
    """A scalar to be maximised whose expected gradient is the gradient of the ELBO.

    Args:
        log_p: log p(x_n, z_kn) (K, N), attached to the model's parameters.
        log_q: log q(z_kn) (K, N), attached to the logits.

    Returns:
        The surrogate objective, shape ().
    """
    signal = (log_p - log_q).detach()
    return (signal * log_q + log_p).mean(0).sum()


# %% [markdown]
# ## Part d: the variance, exactly (4 points)


# %%
def variance(signal: Tensor, score: Tensor, q: Tensor, baseline: Tensor, particles: int) -> Tensor:
    """The variance of the estimator with a constant baseline, by a sum over all states.

    Args:
        signal: f_n of every state (S, N).
        score: gradient of log q of every state with respect to lambda_n (S, N, D).
        q: probability of every state (S, N); each column sums to 1.
        baseline: b (N, D).
        particles: K, the number of independent draws that the estimator averages.

    Returns:
        The variance of each entry of the estimated gradient (N, D).
    """
    terms = (signal.unsqueeze(-1) - baseline) * score
    weights = q.unsqueeze(-1)
    mean = (weights * terms).sum(0)
    return (weights * (terms - mean) ** 2).sum(0) / particles


# %% [markdown]
# ## Part e: the best constant baseline (4 points)


# %%
def optimal_baseline(signal: Tensor, score: Tensor, q: Tensor) -> Tensor:
    """The constant baseline of each row and coordinate with the smallest variance.

    Args:
        signal: f_n of every state (S, N).
        score: gradient of log q of every state with respect to lambda_n (S, N, D).
        q: probability of every state (S, N); each column sums to 1.

    Returns:
        b (N, D).
    """
    weights = q.unsqueeze(-1) * score**2
    return (weights * signal.unsqueeze(-1)).sum(0) / weights.sum(0)


# %% [markdown]
# ## Part f: leave-one-out (5 points)


# %%
def rloo(signal: Tensor, score: Tensor) -> Tensor:
    """The score-function estimate with the leave-one-out baseline.

    Args:
        signal: f_n of the particles (K, N), K at least 2.
        score: gradient of log q of the particles with respect to lambda_n (K, N, D).

    Returns:
        The estimated gradient (N, D).
    """
    particles = len(signal)
    others = (signal.sum(0) - signal) / (particles - 1)
    return ((signal - others).unsqueeze(-1) * score).mean(0)


# %% [markdown]
# ## Part g: in words (3 points)
#
# The next cell is given. It uses your functions of parts d, e and f. Run it and write your answers
# below it.


# %%
def deviations(shift: float, particles: int) -> dict[str, float]:
    """The standard deviation of three estimators for one row of two bits, computed exactly.

    Args:
        shift: constant added to the learning signal.
        particles: K.

    Returns:
        Standard deviations of the gradient of the first logit: "no baseline", "best constant" and
        "leave-one-out".
    """
    states = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    scores = (states - torch.tensor([0.2, 0.6], dtype=torch.float64)).unsqueeze(1)
    q = torch.tensor([[0.32], [0.48], [0.08], [0.12]], dtype=torch.float64)
    signal = torch.tensor([[1.0], [2.5], [2.0], [0.5]], dtype=torch.float64) + shift
    best = optimal_baseline(signal, scores, q)
    draws = [torch.tensor(draw) for draw in itertools.product(range(4), repeat=particles)]
    chances = torch.stack([q[draw, 0].prod() for draw in draws])
    estimates = torch.stack([rloo(signal[draw], scores[draw])[0, 0] for draw in draws])
    spread = (chances * estimates**2).sum() - (chances * estimates).sum() ** 2
    constant = [
        variance(signal, scores, q, b, particles)[0, 0].clamp_min(0).sqrt().item()
        for b in (torch.zeros_like(best), best)
    ]
    return {
        "no baseline": constant[0],
        "best constant": constant[1],
        "leave-one-out": spread.clamp_min(0).sqrt().item(),
    }


if __name__ == "__main__":
    for particles in (2, 3, 4):
        for shift in (-10.0, 0.0, 10.0):
            values = deviations(shift, particles)
            text = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"K = {particles}, shift {shift:+.0f}: {text}")

# %% [markdown]
# *Write your answers to part g here.*
