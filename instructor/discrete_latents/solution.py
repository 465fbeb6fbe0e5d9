# %% [markdown]
# # Discrete latent variables
#
# The equations and the points are in `statement.md`. Replace each
# `raise NotImplementedError(...)` by your code. Keep the names and the arguments of the functions.

# %%
import torch
from torch import Tensor

# %% [markdown]
# ## Part a: one latent per row (4 points)


# %%
def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    """The log evidence of a mixture, and the posterior of each row's component.

    Args:
        log_prior: log p(z = s) (S,).
        log_likelihood: log p(x_n | z_n = s) (N, S).

    Returns:
        The log evidence of all rows together (), nats, and the posterior probabilities (N, S).
    """
    log_joint = log_prior + log_likelihood
    log_rows = torch.logsumexp(log_joint, dim=1)
    posterior = torch.exp(log_joint - log_rows.unsqueeze(1))
    return log_rows.sum(), posterior


# %% [markdown]
# ## Part b: a latent that all rows share (4 points)


# %%
def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    """The log evidence with a global latent and local ones, and the posterior of the global one.

    Args:
        log_global: log p(g) (G,).
        log_local: log p(z_n = s | g) (G, S), the same for all rows.
        log_likelihood: log p(x_n | z_n = s, g) (G, N, S).

    Returns:
        The log evidence (), nats, and the posterior probabilities of g (G,).
    """
    log_rows = torch.logsumexp(log_local.unsqueeze(1) + log_likelihood, dim=2)
    log_joint = log_global + log_rows.sum(1)
    return torch.logsumexp(log_joint, dim=0), torch.softmax(log_joint, dim=0)


# %% [markdown]
# ## Part c: the ELBO by enumeration (5 points)


# %%
def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    """The ELBO as an exact sum over states.

    Args:
        logits: lambda (N, S), attached to the graph; q(z_n) = softmax(lambda_n).
        log_joint: log p(x_n, z_n = s) (N, S), attached to the graph.

    Returns:
        The ELBO of all rows together (), nats, attached to the graph.
    """
    log_q = torch.log_softmax(logits, dim=1)
    return (log_q.exp() * (log_joint - log_q)).sum()


# %% [markdown]
# ## Part d: an exact draw by the Gumbel-max trick (3 points)


# %%
def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    """A draw from each row's categorical distribution.

    Args:
        logits: lambda (N, S).
        uniform: independent uniform numbers in (0, 1), (N, S).

    Returns:
        One-hot vectors of the logits' dtype (N, S).
    """
    gumbel = -torch.log(-torch.log(uniform))
    states = (logits + gumbel).argmax(dim=1)
    return torch.nn.functional.one_hot(states, logits.shape[1]).to(logits.dtype)


# %% [markdown]
# ## Part e: Gumbel-softmax (4 points)


# %%
def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    """A relaxed draw from each row's categorical distribution.

    Args:
        logits: lambda (N, S).
        gumbel: independent standard Gumbel numbers (N, S).
        temperature: tau, positive.

    Returns:
        y (N, S); each row is positive and sums to 1.
    """
    return torch.softmax((logits + gumbel) / temperature, dim=1)


# %% [markdown]
# ## Part f: straight-through (4 points)


# %%
def straight_through(y: Tensor) -> Tensor:
    """One-hot in the forward pass, the identity in the backward pass.

    Args:
        y: relaxed draws (N, S), attached to the graph.

    Returns:
        The one-hot vector of each row's largest entry (N, S); its gradient with respect to y is
        that of the identity.
    """
    hard = torch.nn.functional.one_hot(y.argmax(dim=1), y.shape[1]).to(y.dtype)
    return hard + (y - y.detach())


# %% [markdown]
# ## Part g: what the temperature costs (4 points)


# %%
def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    """The gradient of (y - target)^2 with respect to the logit, for a relaxed binary draw y.

    Args:
        logit: lambda ().
        uniform: uniform numbers in (0, 1), (M,).
        temperature: tau, positive.
        target: t.

    Returns:
        One gradient for each uniform number (M,).
    """
    noise = torch.log(uniform) - torch.log(1 - uniform)
    y = torch.sigmoid((logit + noise) / temperature)
    return 2 * (y - target) * y * (1 - y) / temperature


# %% [markdown]
# ## Part h: in words (2 points)
#
# The next cell is given. It uses your function of part g. Run it and write your answers below it.


# %%
def bias_and_deviation(temperature: float) -> tuple[float, float]:
    """The bias and the standard deviation of the relaxed gradient of one bit.

    The uniform numbers are the midpoints of 200,000 equal intervals, so nothing is random.

    Args:
        temperature: tau.

    Returns:
        Bias and standard deviation of one draw.
    """
    logit = torch.tensor(-1.0, dtype=torch.float64)
    target, size = 0.2, 200_000
    uniform = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    gradients = pathwise_gradient(logit, uniform, temperature, target)
    p = torch.sigmoid(logit)
    exact = p * (1 - p) * ((1 - target) ** 2 - target**2)
    return (gradients.mean() - exact).item(), gradients.std().item()


if __name__ == "__main__":
    for temperature in (0.05, 0.1, 0.3, 1.0, 3.0):
        bias, deviation = bias_and_deviation(temperature)
        print(f"temperature {temperature:4}: bias {bias:+.4f}, standard deviation {deviation:.4f}")

# %% [markdown]
# *Write your answers to part h here.*
