"""Amortised Plackett-Luce: a network gives each row a score for every place.

    q(pi | x) = prod_i exp(s_{pi_i}) / sum_{k >= i} exp(s_{pi_k}),   s = s(x).

Item 0 takes place j with probability softmax(s)_j, item 1 one of the places left, and so on. It
holds all its probability near one order, and can only be unsure between places with near scores.

Parameters: the encoder's; its head gives n scores for n items.
Sources: Plackett 1975; trained by the score function in Gadetsky et al. 2020, "Low-variance
black-box gradient estimates for the Plackett-Luce distribution".
Topic: Permutations.
"""

from typing import ClassVar

import pyro
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside
from zoo.latents import Kind, Latents
from zoo.permutations import PlackettLuce


class AmortisedPlackettLuce(Guide):
    """Each row's permutations Plackett-Luce, with scores that a network reads off the row.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Its draws are permutations, one for each row:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.latent_permutation import LatentPermutation
        >>> x = torch.randn(7, 4)
        >>> family = guides.AmortisedPlackettLuce
        >>> fit = zoo.fit(LatentPermutation(4), family, x, objective="rloo", steps=10)
        >>> pi = fit.guide(x)["pi"]
        >>> pi.shape, pi.sort(-1).values.unique(dim=0).tolist()
        (torch.Size([7, 4]), [[0, 1, 2, 3]])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.PERMUTATION})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, site.event_shape), body
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            scores = by_row(output, site, self.latents, site.event_shape)
            q = PlackettLuce(scores).to_event(len(site.event_shape) - 1)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values
