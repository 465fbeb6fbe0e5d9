"""The model's own recognition network, such as a VampPrior's, as the guide.

    q(z | x) = N(z; m(x), diag s(x)^2),   m and s the network of the model's prior.

With a VampPrior, r(z) = 1/C sum_c q(z | u_c) is then a mixture of the guide's own posteriors, and
one set of weights is trained for both.

Parameters: none of its own.
Source: Tomczak & Welling 2018, "VAE with a VampPrior".
Topic: Encoders.
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
from torch import Tensor, nn
from torch.distributions import constraints

from guides.guide import Guide
from guides.parts.plates import inside
from zoo.latents import Kind, Latent, Latents
from zoo.protocols import recogniser_of


class SharedEncoder(Guide):
    """One vector for each row, normal with the moments that the model recognises.

    Args:
        latents: the latent to cover.
        model: the model, whose network is shared.

    Raises:
        ValueError: if the model has no recognition network, or the latents are not one vector.

    Example:
        A VampPrior recognises latents itself, so that the guide has no parameters of its own:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("vae", prior="vamp"), guides.SharedEncoder, steps=5)
        >>> list(fit.guide.parameters())
        []
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    takes_model: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: nn.Module) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model has no recognition network, or more than one vector to recognise."""
        if not latents.recognises:
            return (
                f"{cls.__name__} uses the model's own recognition network; this model has none. "
                "Use amortised_normal, or a VampPrior (prior 'vamp')."
            )
        if len(latents.sites) != 1 or not _is_vector(latents.sites[0]):
            return (
                f"{cls.__name__} recognises one vector for each row; the model draws "
                f"{latents.listed}. Use amortised_normal."
            )
        return None

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latent of the rows given."""
        (site,) = self.latents.sites
        network = recogniser_of(self.model[0])
        assert network is not None
        loc, scale = network.recognise(self.latents.row_context(args))
        with inside(self.plates(args), site):
            return {site.name: pyro.sample(site.name, dist.Normal(loc, scale).to_event(1))}


def _is_vector(site: Latent) -> bool:
    plain = site.base_support is constraints.real and len(site.event_shape) == 1
    return plain and len(site.plates) == 1
