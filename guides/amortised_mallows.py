"""Amortised Mallows: a network gives each row an order, and how far permutations stray from it.

    q(pi | x) = prod_{j>0} exp(-theta_j(x) |V_j(pi) - m_j(x)|) / Z_j,
    Z_j = sum_{k=0..j} exp(-theta_j |k - m_j|),

with V_j(pi) the number of places before place j that hold an item of a higher number, m_j in
(0, j) what the network expects of it, and theta_j > 0 its dispersion. Every order has such an m,
and as theta grows q holds all its probability there. One V_j after the other is drawn, so any
number of items goes.

V_j sums comparisons of place j with the places before it, as a posterior of items in order does.
Counted by items instead, those before item j that lie in a later place, no theta and m come near
that posterior: sorting with noise has a higher bound with all items made alike than with the items
as they are, and a model that is trained with such a q gives its items up. With one theta for all
places it gives them up too, before q has learned to sort.

Parameters: the encoder's; its head gives theta and m, 2 n numbers for n items, of which those of
the first place are not read.
Sources: Mallows 1957, "Non-null ranking models"; a theta for each place by Fligner and Verducci
1986, "Distance based ranking models"; draws by Doignon, Pekec and Regenwetter 2004, "The repeated
insertion model for rankings".
Departs from the papers: the numbers V_j are compared, where Mallows counts the pairs in another
order. Both agree where m = 0. Kendall's count about a sorted list of scores does not change with
the scores until two of them change places, and would give the network no gradient.
Topic: Permutations.
"""

import torch
from torch import Tensor

from guides.parts.amortised_permutation import AmortisedPermutation
from guides.parts.plates import positive
from zoo.latents import Latent
from zoo.permutations import RepeatedInsertion


class AmortisedMallows(AmortisedPermutation):
    """Each row's permutations near an order that a network reads off the row.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Its draws are permutations, one for each row:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.latent_permutation import LatentPermutation
        >>> x = torch.randn(7, 4)
        >>> family = guides.AmortisedMallows
        >>> fit = zoo.fit(LatentPermutation(4), family, x, objective="rloo", steps=10)
        >>> pi = fit.guide(x)["pi"]
        >>> pi.shape, pi.sort(-1).values.unique(dim=0).tolist()
        (torch.Size([7, 4]), [[0, 1, 2, 3]])
    """

    def numbers(self, latent: Latent) -> tuple[int, ...]:
        """Two for each place."""
        return (*latent.event_shape, 2)

    def distribution(self, numbers: Tensor) -> RepeatedInsertion:
        """By theta and m of the places, (..., n, 2)."""
        return RepeatedInsertion(insertion_scores(numbers))


def insertion_scores(numbers: Tensor) -> Tensor:
    """-theta_j |k - m_j| in row j and column k: (..., n, 2) -> (..., n, n).

    Args:
        numbers: theta_j of each place unconstrained, and m_j / j as a logit.
    """
    k = torch.arange(numbers.shape[-2], device=numbers.device, dtype=numbers.dtype)
    theta, expected = positive(numbers[..., 0]), numbers[..., 1].sigmoid() * k
    return -theta.unsqueeze(-1) * (k - expected.unsqueeze(-1)).abs()
