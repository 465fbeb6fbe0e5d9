# %% [markdown]
# # A Bernoulli VAE
#
# `statement.md` holds the equations and says what each part asks. Replace the body of each
# function; keep its name, its arguments and the order of its results.

# %%
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

FIXED_SCALE = 0.5

# %% [markdown]
# ## Part a. The likelihood of a picture


# %%
def log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Log p(x | z) of each picture, equation (2).

    Args:
        logits: the decoder's output, (N, D).
        x: pixels, 0 or 1, (N, D).

    Returns:
        log_likelihood: nats, (N,).
    """
    raise NotImplementedError("part a: log_likelihood")


# %% [markdown]
# ## Part b. The KL divergence to the prior


# %%
def kl_to_prior(loc: Tensor, scale: Tensor) -> Tensor:
    """KL(q(z | x) || p(z)) of each picture, equation (4).

    Args:
        loc: the encoder's means, (N, K).
        scale: the encoder's standard deviations, (N, K).

    Returns:
        kl: nats, (N,).
    """
    raise NotImplementedError("part b: kl_to_prior")


# %% [markdown]
# ## Part c. The ELBO with a fixed scale


# %%
def elbo_fixed(
    eps: Tensor, x: Tensor, loc: Tensor, scale: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """The ELBO of each picture, equation (5), with one scale for all latents.

    Args:
        eps: standard normal noise, S draws for each picture, (S, N, K).
        x: pixels, 0 or 1, (N, D).
        loc: the encoder's means, (N, K).
        scale: the standard deviation of every latent, ().
        weight: of the decoder, (D, K); its logits are weight z + bias.
        bias: of the decoder, (D,).

    Returns:
        elbo: nats, (N,).
    """
    raise NotImplementedError("part c: elbo_fixed")


# %% [markdown]
# ## Part d. The generative model in Pyro


# %%
def model(x: Tensor, rows: int, weight: Tensor, bias: Tensor) -> Tensor:
    """A Pyro program: sites "z" and "x" in a plate "data" of all rows.

    Args:
        x: a batch of pictures, pixels 0 or 1, (N, D).
        rows: number of pictures in the whole data set, at least N.
        weight: of the decoder, (D, K); its logits are weight z + bias.
        bias: of the decoder, (D,).

    Returns:
        z: the value of the site "z", (N, K).
    """
    raise NotImplementedError("part d: model")


# %% [markdown]
# ## Part e. The encoder in Pyro, with a learned scale


# %%
def guide(
    x: Tensor, rows: int, hidden_weight: Tensor, loc_weight: Tensor, log_scale_weight: Tensor
) -> Tensor:
    """A Pyro program: the site "z" in a plate "data" of all rows, equation (7).

    Args:
        x: a batch of pictures, pixels 0 or 1, (N, D).
        rows: number of pictures in the whole data set, at least N.
        hidden_weight: from pixels to hidden units, (H, D).
        loc_weight: from hidden units to means, (K, H).
        log_scale_weight: from hidden units to log standard deviations, (K, H).

    Returns:
        z: the value of the site "z", (N, K).
    """
    raise NotImplementedError("part e: guide")


# %% [markdown]
# ## Part f. Training


# %%
def train(
    x: Tensor, test: Tensor, latent: int, hidden: int, *, learned: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Trains encoder and decoder on x, and encodes the test pictures.

    Args:
        x: training pictures, pixels 0 or 1, (N, D).
        test: other pictures, (M, D); not to be trained on.
        latent: K, number of latents.
        hidden: H, number of hidden units of the decoder.
        learned: is the encoder's scale learned? If not it is FIXED_SCALE everywhere.

    Returns:
        loc: the encoder's means of the test pictures, (M, K).
        scale: the encoder's standard deviations of the test pictures, (M, K).
        hidden_weight: V of the decoder, equation (8), (H, K).
        hidden_bias: c of the decoder, (H,).
        pixel_weight: W of the decoder, (D, H).
        pixel_bias: b of the decoder, (D,).
    """
    raise NotImplementedError("part f: train")


# %% [markdown]
# ## Part g. Pictures from the model


# %%
def sample(count: int, weight: Tensor, bias: Tensor) -> Tensor:
    """Draws pictures from the model, with random numbers of its own.

    Args:
        count: C, how many.
        weight: of the decoder, (D, K); its logits are weight z + bias.
        bias: of the decoder, (D,).

    Returns:
        x: pixels, 0 or 1, (C, D).
    """
    raise NotImplementedError("part g: sample")


# %% [markdown]
# ## Part h. A walk along one latent


# %%
def traverse(z: Tensor, axis: int, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The decoder's pixel probabilities while one latent takes other values.

    Args:
        z: where the walk starts, (K,).
        axis: which latent is changed, from 0.
        values: what it is set to, (V,).
        weight: of the decoder, (D, K); its logits are weight z + bias.
        bias: of the decoder, (D,).

    Returns:
        probabilities: that each pixel is 1, (V, D).
    """
    raise NotImplementedError("part h: traverse")


# %% [markdown]
# ## Part i. In writing
#
# 1. Your answer:
#
# 2. Your answer:
#
# 3. Your answer:

# %% [markdown]
# ## Your functions at work
#
# A VAE of the digits of scikit-learn: the pictures that it decodes on a grid of its two latents.
# This cell runs in the notebook only.

# %%
if __name__ == "__main__":
    import matplotlib.pyplot as plt
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits = torch.tensor(load_digits().data > 7.5, dtype=torch.float32)
    _, _, v, c, w, b = train(digits[:1500], digits[1500:], 2, 32, learned=True)
    line = torch.linspace(-2, 2, 9)
    codes = torch.cartesian_prod(line, line)
    pictures = torch.sigmoid(torch.tanh(codes @ v.T + c) @ w.T + b).detach()
    grid = pictures.reshape(9, 9, 8, 8).transpose(1, 2).reshape(72, 72)
    plt.figure(figsize=(5, 5))
    plt.imshow(1 - grid, cmap="gray")
    plt.axis("off")
    plt.show()
