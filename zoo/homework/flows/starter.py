# %% [markdown]
# # Expressive posteriors: normalizing flows and the gaps they close
#
# The equations and the points are in `statement.md`. Replace each `raise NotImplementedError(...)`
# by your code. Keep the names and the arguments of the functions. Every function is judged on its
# own, with inputs that do not come from your other functions.

# %%
import math

import torch
from torch import Tensor

# %% [markdown]
# ## Given function
#
# The network of an autoregressive layer. Parts b and e call it; its weights are masked already.


# %%
def network(u: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """Shift and log-scale of every coordinate: outputs i depend on u_1, ..., u_(i-1) alone.

    Args:
        u: the layer's input, shape (N, D).
        w1: masked weights of the hidden units, shape (H, D).
        b1: their biases, shape (H,).
        w2: masked weights of the outputs, shape (2 * D, H): D shifts, then D log-scales.
        b2: their biases, shape (2 * D,).

    Returns:
        shift m and log-scale s, shape (N, D) each.
    """
    hidden = torch.tanh(u @ w1.T + b1)
    shift, log_scale = (hidden @ w2.T + b2).chunk(2, -1)
    return shift, log_scale


# %% [markdown]
# ## Part a: masks (5 points)


# %%
def masks(degrees: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The masks that make a network with one hidden layer autoregressive.

    Args:
        degrees: d_h of each hidden unit, integers from 1 to D - 1, shape (H,).
        size: D, the number of inputs, and of outputs.

    Returns:
        first, the mask of the hidden units' weights, shape (H, D), and second, the mask of the
        outputs' weights, shape (D, H); entries 0 and 1.
    """
    raise NotImplementedError("part a: masks")


# %% [markdown]
# ## Part b: an inverse autoregressive layer (6 points)


# %%
def inverse_autoregressive(
    u: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> tuple[Tensor, Tensor]:
    """One layer and the logarithm of its determinant.

    Args:
        u: the layer's input, shape (N, D).
        w1: shape (H, D); w1, b1, w2 and b2 are for `network`.
        b1: shape (H,).
        w2: shape (2 * D, H).
        b2: shape (2 * D,).

    Returns:
        z, the layer's output, shape (N, D), and log_det = log |det dz/du|, shape (N,).
    """
    raise NotImplementedError("part b: inverse_autoregressive")


# %% [markdown]
# ## Part c: a planar layer (5 points)


# %%
def planar(u: Tensor, a: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """One planar layer and the logarithm of its determinant.

    Args:
        u: the layer's input, shape (N, D).
        a: direction of the bend, shape (D,), with w . a > -1.
        w: normal of the plane, shape (D,).
        b: offset of the plane, shape ().

    Returns:
        z, the layer's output, shape (N, D), and log_det = log |det dz/du|, shape (N,).
    """
    raise NotImplementedError("part c: planar")


# %% [markdown]
# ## Part d: the density of a flow (4 points)


# %%
def log_density(eps: Tensor, log_sd: Tensor, log_dets: Tensor) -> Tensor:
    """Log q(z) at the end of a flow of T layers on a diagonal normal.

    Args:
        eps: standard normal noise, shape (N, D).
        log_sd: r, logarithms of the standard deviations of the normal, shape (N, D).
        log_dets: log |det du_t / du_(t-1)| of each layer, shape (T, N).

    Returns:
        log q(z) in nats, shape (N,).
    """
    raise NotImplementedError("part d: log_density")


# %% [markdown]
# ## Part e: the inverse of the layer (6 points)


# %%
def invert(z: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The input of the layer of part b from its output.

    Args:
        z: the layer's output, shape (N, D).
        w1: shape (H, D); w1, b1, w2 and b2 are for `network`.
        b1: shape (H,).
        w2: shape (2 * D, H).
        b2: shape (2 * D,).

    Returns:
        u, shape (N, D).
    """
    raise NotImplementedError("part e: invert")


# %% [markdown]
# ## Part f: the inference gap (5 points)


# %%
def inference_gap(loc: Tensor, log_sd: Tensor, mean: Tensor, precision: Tensor) -> Tensor:
    """Log p(x) - ELBO of a diagonal normal guide where the posterior is normal.

    Args:
        loc: m, the guide's means, shape (N, L).
        log_sd: r, logarithms of the guide's standard deviations, shape (N, L).
        mean: mu, the posterior's means, shape (N, L).
        precision: P, the posterior's precision, the same for all rows, shape (L, L).

    Returns:
        The gap of each row in nats, shape (N,).
    """
    raise NotImplementedError("part f: inference_gap")


# %% [markdown]
# ## Part g: approximation and amortisation gap (6 points)


# %%
def gaps(loc: Tensor, log_sd: Tensor, mean: Tensor, precision: Tensor) -> tuple[Tensor, Tensor]:
    """The inference gap split in two.

    Args:
        loc: m, the means that an encoder gives, shape (N, L).
        log_sd: r, logarithms of the standard deviations that it gives, shape (N, L).
        mean: mu, the posterior's means, shape (N, L).
        precision: P, the posterior's precision, the same for all rows, shape (L, L).

    Returns:
        approximation, the gap of the best diagonal normal, which is the same for all rows,
        shape (), and amortisation, what each row loses on top of it, shape (N,), nats.
    """
    raise NotImplementedError("part g: gaps")


# %% [markdown]
# ## Part h: in words (8 points)
#
# 1. Your answer:
#
# 2. Your answer:
#
# 3. Your answer:

# %%
if __name__ == "__main__":
    origin, unit = torch.zeros(1, 2), torch.zeros(1, 2)
    print("correlation; sd of the posterior's narrowest direction; approximation gap in nats")
    for correlation in (0.0, 0.5, 0.9, 0.99):
        posterior = torch.linalg.inv(torch.tensor([[1.0, correlation], [correlation, 1.0]]))
        narrowest, gap = math.sqrt(1 - correlation), gaps(origin, unit, origin, posterior)[0]
        print(f"{correlation:.2f}: {narrowest:.2f}, {gap:.3f}")
