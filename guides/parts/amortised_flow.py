"""What the amortised flows share: a normal read off the row, then steps that see the row.

Pyro and PyTorch have what these flows are built from: distributions, masked networks, the affine
autoregressive step and the Householder reflection. The other steps are our own, and not those of
the library zuko (read at its version 1.6). The objectives `stl`, `dreg` and `tail_adaptive` score
a flow at draws that they hold, so that each step needs an inverse as exact as rounding allows.
zuko's neural autoregressive flow is inverted by bisection within [-10, 10] to 1e-6, its gradient
cannot be differentiated again, and its spline takes a square root that rounding can make negative;
planar and Sylvester steps it does not have. Its masked networks do what Pyro's do, under other
parameter names, so that saved fits could not be loaded.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import pyro
import pyro.distributions as dist
from torch import Tensor, nn
from torch.distributions import Transform

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.normal import onto_support
from guides.parts.plates import inside, positive
from guides.parts.vectors import require_vectors
from zoo.latents import Kind, Latent, Latents


class AmortisedFlow(Guide):
    """Transforms of an amortised diagonal normal; a subclass says which.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        context: size of a latent -> how many values of the encoder its transforms read, besides
            mean and scale.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for a latent that is not a vector.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(
        self, latents: Latents, context: Callable[[int], int], body: nn.Module | None
    ) -> None:
        super().__init__(latents)
        require_vectors(self, latents)
        self.sizes = [site.unconstrained_shape[0] for site in latents.sites]

        def outputs(site: Latent) -> int:
            (size,) = site.unconstrained_shape
            return values_per_row(site, latents, (2 * size + context(size),))

        self.encoder = Encoder(latents, outputs, body)

    @abstractmethod
    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """The transforms of N(loc, scale^2), the first one first.

        Args:
            latent: which of the latents, by its place among them.
            loc: mean, shape (*batch, size of the latent).
            scale: standard deviation, same shape.
            context: what they read, shape (*batch, context).
        """

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values = self.plates(args), {}
        for i, (site, output) in enumerate(
            zip(self.latents.sites, self.encoder(args), strict=True)
        ):
            q = onto_support(self._flow(i, site, output), site)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q)
        return values

    def _flow(self, i: int, site: Latent, output: Tensor) -> dist.TransformedDistribution:
        """In unconstrained space, made of the numbers that the encoder gives for a latent."""
        size, numbers = self.sizes[i], output.shape[-1] // values_per_row(site, self.latents, ())
        laid = by_row(output, site, self.latents, (numbers,))
        loc, scale, context = laid.split([size, size, numbers - 2 * size], dim=-1)
        scale = positive(scale)
        base = dist.Normal(loc, scale).to_event(1)
        return dist.TransformedDistribution(base, self.transforms(i, loc, scale, context))
