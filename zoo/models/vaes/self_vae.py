"""Self-supervised variational autoencoder: a coarse picture first, then the whole one.

A coarse picture y = d(x), at half the resolution, is made from the data themselves. The model
draws y from one latent, and the details of x given y from another.

Generative process, for each row n:
    u_n ~ r(u),                                   the prior, of zoo.priors
    y_n ~ Bernoulli(sigmoid(f(u_n)))
    z_n ~ N(m(u_n, y_n), diag s(u_n, y_n)^2)
    x_n ~ Bernoulli(sigmoid(g(y_n, z_n)))
Observed are x_n and y_n = d(x_n): a coarse pixel is on where at least half of its four are.

Shapes: x (rows, D), y (rows, D/4) of zeros and ones, u and z (rows, M); f, g, (m, log s) networks
with one hidden layer.
Source: Gatopoulos and Tomczak (2021), Self-supervised variational auto-encoders, Entropy.
Departs from the paper: binary pictures and dense layers; d binarizes too.

The ELBO bounds log p(x, d(x)), which is log p(x) + log p(y = d(x) | x) under the model, hence at
most log p(x). The two differ because the model can draw an x whose coarse picture is not its y.
Nothing is known exactly.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, softplus

from zoo.data import Data
from zoo.models.parts import Parts, check_likelihood, prior_of
from zoo.models.shapes import require_shape
from zoo.nn import beside, mlp


class SelfVAE(nn.Module):
    """Generative half of an autoencoder through a coarse picture."""

    def __init__(
        self,
        image: tuple[int, int],
        prior: nn.Module,
        latent: int = 10,
        hidden: Sequence[int] = (200,),
    ) -> None:
        """Builds the three networks.

        Args:
            image: height and width of x in pixels, both even.
            prior: () -> distribution of one u, of size M; see `zoo.priors`.
            latent: size M of u and of z.
            hidden: widths of the hidden layers of each network, from the latents on.

        Raises:
            ValueError: a side is odd.
        """
        super().__init__()
        height, width = image
        if height % 2 or width % 2:
            raise ValueError(
                f"Expected an even height and width, to be halved; got {image}. Pad the pictures."
            )
        self.image, self.features, coarse = image, height * width, height * width // 4
        self.coarse_decoder = mlp((latent, *hidden, coarse), nn.ReLU)
        self.details = mlp((latent + coarse, *hidden, 2 * latent), nn.ReLU)
        self.decoder = mlp((coarse + latent, *hidden, self.features), nn.ReLU)
        self.prior = prior

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: u, the observed y = d(x), z, then the observed x.

        Args:
            x: binary pictures as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        coarse = self.halve(x)
        with pyro.plate("data", len(x)):
            u = pyro.sample("u", self.prior())
            logits = self.coarse_decoder(u)
            y = pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=coarse)
            z = pyro.sample("z", dist.Normal(*self.moments(u, y)).to_event(1))
            logits = self.decoder(beside(y, z))
            return pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def halve(self, x: Tensor) -> Tensor:
        """The coarse picture d(x): (rows, D) -> (rows, D/4), zeros and ones."""
        means = avg_pool2d(x.reshape(-1, 1, *self.image), 2).flatten(1)
        return (means >= 0.5).to(x.dtype)

    def moments(self, u: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Prior mean and scale of z: (..., M) each."""
        loc, unscaled = self.details(beside(u, y)).chunk(2, dim=-1)
        return loc, softplus(unscaled) + 1e-3

    def mean(self, u: Tensor, z: Tensor | None = None) -> Tensor:
        """Expected x given u and z and the likeliest y: (..., M) each -> (..., D), in [0, 1].

        Without z: at its prior mean.
        """
        y = (self.coarse_decoder(u) > 0).to(u.dtype)
        z = self.moments(u, y)[0] if z is None else z
        return torch.sigmoid(self.decoder(beside(y, z)))


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The self-supervised autoencoder of these parts, with fresh parameters.

    Raises:
        ValueError: if the rows are no binary pictures with even sides.
    """
    assert parts.latent is not None
    check_likelihood("bernoulli", data)
    if data.image is None:
        raise ValueError(
            f"self_vae halves pictures; the rows of data '{data.name}' are none. Use digits."
        )
    return SelfVAE(data.image, prior_of(data, parts), parts.latent)
