"""One layer of binary latents under a network that gives the pixels' probabilities.

K binary causes are each on or off with a learned probability, and a network turns them into the
pixels' probabilities. Binary latents cannot be reparameterised, so score-function estimators are
compared on this model; with few of them a sum over all 2^K states gives the exact evidence.

Generative process, for each row n:
    z_nk ~ Bernoulli(beta_k)
    x_ni ~ Bernoulli(DNN(z_n)_i)

Shapes: x (rows, D) and z (rows, K) of zeros and ones; prior_logits logit(beta) (K,); decoder
K -> hidden -> D.
Source: Mnih and Gregor (2014), Neural variational inference and learning in belief networks, ICML.
Departs from the paper: one layer of latents; a ReLU network instead of one affine map to x.

The log prior of z is linear in z and not checked to be binary, so a relaxed z in [0, 1]^K works.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_sums import bernoulli_log_likelihood, blocks
from zoo.models.shapes import require_shape
from zoo.nn import mlp


class BernoulliLatent(nn.Module):
    """Binary latents with learned probabilities under a Bernoulli network."""

    def __init__(self, features: int, hidden: Sequence[int] = (64,), latent: int = 8) -> None:
        """Builds the decoder and sets every beta to one half.

        Args:
            features: number of pixels D.
            hidden: widths of the hidden layers, from z to x.
            latent: number of binary latents K.
        """
        super().__init__()
        self.features = features
        self.latent = latent
        self.prior_logits = nn.Parameter(torch.zeros(latent))
        self.decoder = mlp((latent, *hidden, features), nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self._prior())
            return pyro.sample("x", dist.Bernoulli(logits=self.decode(z)).to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels: (..., K) -> (..., D)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, in [0, 1]: (..., K) -> (..., D)."""
        return torch.sigmoid(self.decode(z))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all 2^K states, 1024 at a time.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: K is above 20.
        """
        total = x.new_full((len(x),), -torch.inf)
        for block in blocks(self.latent, 2):
            total = torch.logaddexp(total, self._log_joint(x, block.to(x)).logsumexp(-1))
        return total

    def posterior_moments(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact E[z_k | x] and its standard deviation, by the same sum.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Site z -> (mean, sd), each of shape (rows, K).

        Raises:
            ValueError: K is above 20.
        """
        evidence = self.log_evidence(x)[:, None]
        mean = x.new_zeros(len(x), self.latent)
        for block in blocks(self.latent, 2):
            mean = mean + (self._log_joint(x, block.to(x)) - evidence).exp() @ block.to(x)
        mean = mean.clamp(0, 1)
        return {"z": (mean, (mean * (1 - mean)).sqrt())}

    def _prior(self) -> dist.Independent:
        return dist.Bernoulli(logits=self.prior_logits, validate_args=False).to_event(1)

    def _log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return self._prior().log_prob(z) + bernoulli_log_likelihood(x, self.decode(z))
