# %% [markdown]
# # Wake-sleep and the Helmholtz machine
#
# The equations and the points are in `statement.md`. Replace each
# `raise NotImplementedError(...)` by your code. Keep the names and the arguments of the functions.

# %%
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

# %% [markdown]
# ## Part a: the joint log probability (3 points)


# %%
def log_joint(x: Tensor, z: Tensor, b: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """The joint log probability of data and latent variables under the generative network.

    Args:
        x: data (N, D), entries 0 or 1.
        z: latent variables (N, H), entries 0 or 1.
        b: activations of the latent variables (H,).
        w: weights from z to x (H, D).
        c: biases of x (D,).

    Returns:
        log p(x_n, z_n) (N,), nats.
    """
    raise NotImplementedError("part a: log_joint")


# %% [markdown]
# ## Part b: a dream (4 points)


# %%
def dream(b: Tensor, w: Tensor, c: Tensor, u_z: Tensor, u_x: Tensor) -> tuple[Tensor, Tensor]:
    """A sample from the generative network, from given uniform numbers.

    Args:
        b: activations of the latent variables (H,).
        w: weights from z to x (H, D).
        c: biases of x (D,).
        u_z: uniform numbers of the latent variables (N, H).
        u_x: uniform numbers of the data (N, D).

    Returns:
        z (N, H) and x (N, D), entries 0 or 1, in the dtype of the parameters.
    """
    raise NotImplementedError("part b: dream")


# %% [markdown]
# ## Part c: the wake phase (4 points)


# %%
def wake_gradient(
    x: Tensor, z: Tensor, b: Tensor, w: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of the mean log p(x_n, z_n) with respect to the generative parameters.

    Args:
        x: data (N, D), entries 0 or 1.
        z: latent variables drawn from the recognition network (N, H).
        b: activations of the latent variables (H,).
        w: weights from z to x (H, D).
        c: biases of x (D,).

    Returns:
        The gradients of b (H,), w (H, D) and c (D,).
    """
    raise NotImplementedError("part c: wake_gradient")


# %% [markdown]
# ## Part d: the sleep phase (3 points)


# %%
def sleep_gradient(x: Tensor, z: Tensor, v: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the mean log q(z_n | x_n) with respect to the recognition parameters.

    Args:
        x: dreamed data (N, D), entries 0 or 1.
        z: the latent variables of the same dreams (N, H).
        v: weights from x to z (D, H).
        a: biases of z (H,).

    Returns:
        The gradients of v (D, H) and a (H,).
    """
    raise NotImplementedError("part d: sleep_gradient")


# %% [markdown]
# ## Part e: one step of wake-sleep (5 points)


# %%
def wake_sleep_step(
    x: Tensor,
    b: Tensor,
    w: Tensor,
    c: Tensor,
    v: Tensor,
    a: Tensor,
    rate: float,
    recognise: Callable[[Tensor], Tensor],
    dream: Callable[[int], tuple[Tensor, Tensor]],
    wake_gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    sleep_gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One wake phase and one sleep phase, each followed by a step of gradient ascent.

    Args:
        x: data (N, D), entries 0 or 1.
        b: activations of the latent variables (H,).
        w: weights from z to x (H, D).
        c: biases of x (D,).
        v: weights from x to z (D, H).
        a: biases of z in the recognition network (H,).
        rate: step size.
        recognise: x (N, D) -> z (N, H), drawn from the recognition network.
        dream: number of rows -> z (rows, H) and x (rows, D), drawn from the generative network.
        wake_gradient: x, z -> gradients of b, w and c.
        sleep_gradient: x, z -> gradients of v and a.

    Returns:
        The new b (H,), w (H, D), c (D,), v (D, H) and a (H,).
    """
    raise NotImplementedError("part e: wake_sleep_step")


# %% [markdown]
# ## Part f: two divergences (4 points)


# %%
def divergences(log_joint: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """The two divergences between q(z | x) and p(z | x), averaged over the model's p(x).

    Args:
        log_joint: log p(x, z) of all states of x and z (X, Z); the probabilities sum to 1.
        log_q: log q(z | x) (X, Z); the probabilities of each row sum to 1.

    Returns:
        The mean of KL(q || p) and the mean of KL(p || q), both (), nats.
    """
    raise NotImplementedError("part f: divergences")


# %% [markdown]
# ## Part g: reweighted wake-sleep (5 points)


# %%
def reweighted_loss(log_p: Tensor, log_q: Tensor) -> Tensor:
    """A scalar to be minimised: weighted maximum likelihood of both networks.

    Args:
        log_p: log p(x_n, z_kn) (K, N), attached to the generative parameters.
        log_q: log q(z_kn | x_n) (K, N), attached to the recognition parameters.

    Returns:
        The loss, shape ().
    """
    raise NotImplementedError("part g: reweighted_loss")


# %% [markdown]
# ## Part h: in words (2 points)
#
# The next cells are given. They use your functions of parts a to f. Run them and write your
# answers below.


# %%
def states(bits: int) -> Tensor:
    """All states of some bits (2^bits, bits)."""
    return torch.tensor(list(product((0.0, 1.0), repeat=bits)))


def bars(rows: int) -> Tensor:
    """Images of 3 x 3 pixels (rows, 9): each of the three lines is on with probability 1/3."""
    lines = (torch.rand(rows, 3) < 1 / 3).float()
    return lines.repeat_interleave(3, dim=1)


def report(b: Tensor, w: Tensor, c: Tensor, v: Tensor, a: Tensor) -> str:
    """The exact negative log-likelihood of the bars, and the two divergences."""
    x, z = states(9), states(3)
    pairs_x, pairs_z = x.repeat_interleave(8, 0), z.repeat(512, 1)
    log_p = log_joint(pairs_x, pairs_z, b, w, c).view(512, 8)
    activations = x @ v + a
    log_q = torch.log_softmax(activations @ z.T, dim=1)
    images = z.repeat_interleave(3, dim=1)
    index = (images * 2.0 ** torch.arange(8, -1, -1)).sum(1).long()
    chances = (1 / 3) ** z.sum(1) * (2 / 3) ** (3 - z.sum(1))
    loss = -(chances * torch.logsumexp(log_p, 1)[index]).sum()
    exclusive, inclusive = divergences(log_p, log_q)
    return f"NLL {loss:.3f}, exclusive {exclusive:.4f}, inclusive {inclusive:.4f}"


def train(steps: int, rate: float = 1.0, rows: int = 50) -> None:
    """Trains a Helmholtz machine with 3 latent variables by wake-sleep and prints reports."""
    b, w, c = torch.zeros(3), 0.1 * torch.randn(3, 9), torch.zeros(9)
    v, a = 0.1 * torch.randn(9, 3), torch.zeros(3)
    for step in range(steps + 1):
        if step % (steps // 5) == 0:
            print(f"step {step}: {report(b, w, c, v, a)}")
        p, q = (b, w, c), (v, a)
        b, w, c, v, a = wake_sleep_step(
            bars(rows),
            *p,
            *q,
            rate,
            lambda x, q=q: (torch.rand(len(x), 3) < torch.sigmoid(x @ q[0] + q[1])).float(),
            lambda n, p=p: dream(*p, torch.rand(n, 3), torch.rand(n, 9)),
            lambda x, z, p=p: wake_gradient(x, z, *p),
            lambda x, z, q=q: sleep_gradient(x, z, *q),
        )


# %%
if __name__ == "__main__":
    torch.manual_seed(0)
    print("entropy of the data 1.910")
    train(steps=1500)

# %% [markdown]
# *Write your answers to part h here.*
