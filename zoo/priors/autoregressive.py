"""Autoregressive prior: each dimension a mixture of normals, given those before it.

    r(z) = prod_i sum_c w_ic N(z_i; m_ic, s_ic^2),   (w, m, s)_i a masked network of z_<i.

With one component it is a step of a masked autoregressive flow. The density takes one pass through
the network, a draw M passes.

Parameters: those of the network.
Source: Uria, Murray and Larochelle (2013), RNADE: the real-valued neural autoregressive
density-estimator, NeurIPS; one masked network as in MADE.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from zoo.distributions import Density
from zoo.priors.masked import masked_network
from zoo.priors.mixture import SOFTPLUS_INVERSE_OF_ONE


class AutoregressivePrior(nn.Module):
    """A mixture of `components` normals for each dimension of z, given the dimensions before it.

    Args:
        latent: M, at least 2.
        components: number of normals in the mixture of each dimension.
        hidden: hidden units of the network.

    Raises:
        ValueError: for fewer than two dimensions.
    """

    def __init__(self, latent: int, components: int = 5, hidden: int = 64) -> None:
        super().__init__()
        self.latent = latent
        self.network = masked_network(latent, (hidden,), (components,) * 3)
        spread = torch.linspace(-1.0, 1.0, components) if components > 1 else torch.zeros(1)
        self.spread = nn.Parameter(spread.unsqueeze(-1))

    def forward(self) -> Density:
        """The prior of one z: event shape (M,)."""
        return Density(self.score, self.draw, self.latent)

    def score(self, z: Tensor) -> Tensor:
        """Log r(z), nats: (..., M) -> (...)."""
        log_weights, loc, scale = self._conditionals(z)
        parts = Normal(loc, scale, validate_args=False).log_prob(z.unsqueeze(-2))
        return (log_weights + parts).logsumexp(-2).sum(-1)

    def draw(self, shape: torch.Size) -> Tensor:
        """Draws one dimension after the other: (*shape, M)."""
        z = self.spread.new_zeros(*shape, self.latent)
        for i in range(self.latent):
            log_weights, loc, scale = (part[..., i] for part in self._conditionals(z))
            weights = log_weights.exp().reshape(-1, loc.shape[-1])
            chosen = torch.multinomial(weights, 1).reshape(*shape, 1)
            loc, scale = (part.gather(-1, chosen).squeeze(-1) for part in (loc, scale))
            drawn = loc + scale * torch.randn_like(loc)
            z = torch.cat([z[..., :i], drawn.unsqueeze(-1), z[..., i + 1 :]], dim=-1)
        return z

    def _conditionals(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, means and scales, (..., components, M) each."""
        logits, loc, unscaled = self.network(z)
        parts = (part.reshape(*z.shape[:-1], -1, self.latent) for part in (logits, loc, unscaled))
        logits, loc, unscaled = parts
        scale = softplus(unscaled + SOFTPLUS_INVERSE_OF_ONE) + 1e-6
        return logits.log_softmax(-2), loc + self.spread, scale
