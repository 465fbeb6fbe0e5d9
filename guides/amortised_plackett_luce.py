"""Amortised Plackett-Luce: a network gives each row a score for every place.

    q(pi | x) = prod_i exp(s_{pi_i}) / sum_{k >= i} exp(s_{pi_k}),   s = s(x).

Item 0 takes place j with probability softmax(s)_j, item 1 one of the places left, and so on. It
holds all its probability near one order, and can only be unsure between places with near scores.

Parameters: the encoder's; its head gives n scores for n items.
Sources: Plackett 1975; trained by the score function in Gadetsky et al. 2020, "Low-variance
black-box gradient estimates for the Plackett-Luce distribution".
Topic: Permutations.
"""

from torch import Tensor

from guides.parts.amortised_permutation import AmortisedPermutation
from zoo.permutations import PlackettLuce


class AmortisedPlackettLuce(AmortisedPermutation):
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

    def distribution(self, numbers: Tensor) -> PlackettLuce:
        """By scores of the places, (..., n)."""
        return PlackettLuce(numbers)
