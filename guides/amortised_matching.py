"""Amortised matching: a network gives each row a score for every item in every place.

    q(pi | x) = exp( sum_i S_{i, pi_i} ) / sum_rho exp( sum_i S_{i, rho_i} ),   S = S(x).

The normaliser, the permanent of exp(S), is summed over all n! permutations: exact, for at most 6
items. Where items and places meet in pairs, the exact posterior has this form.

Parameters: the encoder's; its head gives n^2 scores for n items.
Source: Linderman et al. 2018, "Reparameterizing the Birkhoff polytope for variational permutation
inference"; the score's discrete counterpart of Mena et al. 2018, "Learning latent permutations
with Gumbel-Sinkhorn networks".
Topic: Permutations.
"""

from torch import Tensor

from guides.parts.amortised_permutation import AmortisedPermutation
from zoo.latents import Latent, Latents
from zoo.permutations import MOST_ITEMS, EachPermutation, matching


class AmortisedMatching(AmortisedPermutation):
    """Each row's permutations by matching, with scores that a network reads off the row.

    Args:
        latents: the latents to cover, of at most 6 items.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for more than 6 items.

    Example:
        Each row has a probability for every item in every place, doubly stochastic:

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.discrete.latent_permutation import LatentPermutation
        >>> x = torch.randn(7, 4)
        >>> family = guides.AmortisedMatching
        >>> fit = zoo.fit(LatentPermutation(4), family, x, objective="rloo", steps=10)
        >>> chances = poutine.trace(fit.guide).get_trace(x).nodes["pi"]["fn"].marginals()
        >>> chances.shape, bool(((chances.sum(-1) - 1).abs() < 1e-4).all())
        (torch.Size([7, 4, 4]), True)
    """

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """Its normaliser is a sum over all permutations."""
        return sums_over_too_many(cls.__name__, latents)

    def numbers(self, latent: Latent) -> tuple[int, ...]:
        """One for each item in each place."""
        return scores_shape(latent)

    def distribution(self, numbers: Tensor) -> EachPermutation:
        """By scores of items in places, (..., n, n)."""
        return matching(numbers)


def scores_shape(latent: Latent) -> tuple[int, ...]:
    """Shape of one event's scores: items by places in the last two dimensions."""
    return (*latent.event_shape, latent.event_shape[-1])


def sums_over_too_many(name: str, latents: Latents) -> str | None:
    """Why a guide that sums over all permutations does not go on these latents; None if it does.

    Args:
        name: of the guide.
        latents: those that it covers.
    """
    for site in latents.sites:
        if site.event_shape[-1] > MOST_ITEMS:
            return (
                f"{name} sums over all permutations, of at most {MOST_ITEMS} items; "
                f"'{site.name}' has {site.event_shape[-1]}. Use amortised_plackett_luce, which "
                "takes any number."
            )
    return None
