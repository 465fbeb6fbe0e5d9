"""What the amortised permutations share: numbers read off the row, and draws by rows."""

from abc import abstractmethod
from typing import ClassVar

import pyro
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside
from zoo.latents import Kind, Latent, Latents
from zoo.permutations.distribution import OverPermutations


class AmortisedPermutation(Guide):
    """Permutations of a row from numbers that an encoder gives; a subclass says how.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for latents that the subclass objects to.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.PERMUTATION})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, self.numbers(site)), body
        )

    def numbers(self, latent: Latent) -> tuple[int, ...]:
        """Shape of the numbers that the encoder gives for one event: one for each item."""
        return tuple(latent.event_shape)

    @abstractmethod
    def distribution(self, numbers: Tensor) -> OverPermutations:
        """The distribution of these numbers, (*batch, *event's other dimensions, ...)."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            laid = by_row(output, site, self.latents, self.numbers(site))
            q = self.distribution(laid).to_event(len(site.event_shape) - 1)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values
