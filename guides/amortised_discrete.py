"""Amortised discrete distribution: a network gives each row's probabilities.

    q(z | x) = prod_k Bernoulli(z_k; sigmoid(l_k(x)))     or     prod_k Categorical(z_k; l_k(x)).

Parameters: the encoder's; its head gives one logit a binary latent, one a class otherwise.
Source: Mnih & Gregor 2014, "Neural variational inference and learning in belief networks".
Topic: Discrete latents.
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn
from torch.distributions import constraints

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside
from zoo.latents import Kind, Latent, Latents


class AmortisedDiscrete(Guide):
    """Each row's discrete latents independent, with logits that a network reads off the row.

    Args:
        latents: the latents to cover: binary, one-hot, or integers 0 .. k-1.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Its draws are zeros and ones, one for each binary latent of a row:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.bernoulli_latent import BernoulliLatent
        >>> x = torch.bernoulli(torch.full((7, 5), 0.5))
        >>> model = BernoulliLatent(5, latent=3)
        >>> fit = zoo.fit(model, guides.AmortisedDiscrete, x, objective="rloo", steps=10)
        >>> z = fit.guide(x)["z"]
        >>> z.shape, sorted(set(z.flatten().tolist()))
        (torch.Size([7, 3]), [0.0, 1.0])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.DISCRETE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, logits_shape(site)), body
        )

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Finite discrete latents in the plate over rows."""
        return super().handles(latent) and latent.classes > 0

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            logits = by_row(output, site, self.latents, logits_shape(site))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, discrete(logits, site))
        return values


def logits_shape(latent: Latent) -> tuple[int, ...]:
    """Shape of one event's logits: a last dimension for classes, unless the latent is binary."""
    if latent.base_support is constraints.boolean or latent.base_support is constraints.one_hot:
        return tuple(latent.event_shape)
    return (*latent.event_shape, latent.classes)


def discrete(logits: Tensor, latent: Latent) -> TorchDistributionMixin:
    """The distribution with those logits on the latent's support."""
    if latent.base_support is constraints.boolean:
        return dist.Bernoulli(logits=logits).to_event(len(latent.event_shape))
    if latent.base_support is constraints.one_hot:
        return dist.OneHotCategorical(logits=logits).to_event(len(latent.event_shape) - 1)
    return dist.Categorical(logits=logits).to_event(len(latent.event_shape))
