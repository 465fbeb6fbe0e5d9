"""Amortised Mallows: a network gives each row an order, and how far permutations stray from it.

    q(pi | x) = exp(-theta(x) d(pi, m(x))) / Z,   d = sum_{j>0} |V_j(pi) - m_j(x)|,
    Z = prod_{j>0} sum_{k=0..j} exp(-theta |k - m_j|),

with V_j(pi) the number of items before item j that come later than it, m_j in (0, j) what the
network expects of it, and theta > 0 its dispersion. Every order has such an m, and as theta grows
q holds all its probability there. Item after item is inserted to draw, so any number goes.

Parameters: the encoder's; its head gives n numbers for n items: m_1, ..., m_{n-1} and theta.
Sources: Mallows 1957, "Non-null ranking models"; draws by Doignon, Pekec and Regenwetter 2004,
"The repeated insertion model for rankings".
Departs from the papers: d compares the numbers V_j, where Mallows counts the pairs in another
order. Both agree where m = 0. Kendall's count about a sorted list of scores does not change with
the scores until two of them change places, and would give the network no gradient.
Topic: Permutations.
"""

from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latents
from zoo.permutations import RepeatedInsertion


class AmortisedMallows(Guide):
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
            numbers = by_row(output, site, self.latents, site.event_shape)
            q = RepeatedInsertion(insertion_scores(numbers)).to_event(len(site.event_shape) - 1)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values


def insertion_scores(numbers: Tensor) -> Tensor:
    """-theta |k - m_j| in row j and column k: (..., n) -> (..., n, n).

    Args:
        numbers: unconstrained theta, then m_1 / 1, ..., m_{n-1} / (n - 1) as logits.
    """
    k = torch.arange(numbers.shape[-1], device=numbers.device, dtype=numbers.dtype)
    theta, expected = positive(numbers[..., :1]), numbers.sigmoid() * k
    return -theta.unsqueeze(-1) * (k - expected.unsqueeze(-1)).abs()
