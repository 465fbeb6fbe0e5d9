"""What the amortised directions share: a mean direction and a concentration read off the row."""

from abc import abstractmethod
from typing import ClassVar

import pyro
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.directions import direction_encoder, directional
from guides.parts.plates import inside
from zoo.latents import Kind, Latents


class AmortisedDirection(Guide):
    """Points on a sphere, by a mean direction and a concentration; a subclass says how.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.SPHERE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, body: nn.Module | None = None) -> None:
        super().__init__(latents)
        self.encoder = direction_encoder(latents, body)

    @abstractmethod
    def distribution(self, loc: Tensor, concentration: Tensor) -> TorchDistribution:
        """The distribution by its mean direction, (..., d), and its concentration, (...)."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            q = directional(self.distribution, output, site, self.latents)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values
