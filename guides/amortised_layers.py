"""Recognition network of a Helmholtz machine: layers of discrete latents, from the data up.

    q(z | x) = q(z1 | x) q(z2 | z1) ... q(zL | z(L-1)),   each layer's logits a network's output.

The layers are the model's latents in the reverse of the order in which the model draws them: what
the data came from last is recognised first.

Parameters: for each layer, the weights of a network from the layer below to its logits; affine
unless `hidden` is given.
Source: Hinton, Dayan, Frey & Neal 1995, "The wake-sleep algorithm for unsupervised neural
networks".
Topic: Discrete latents.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import pyro
from torch import Tensor, nn
from torch.distributions import constraints

from guides.amortised_discrete import discrete, logits_shape
from guides.guide import Guide
from guides.parts.encoder import stack
from guides.parts.plates import inside
from zoo.checks.arguments import refusal, whole
from zoo.latents import Kind, Latent, Latents

LAYERS = (constraints.boolean, constraints.one_hot)


class AmortisedLayers(Guide):
    """Binary or one-hot latents, each given the one below it; the first is given the data row.

    Args:
        latents: the latents to cover; each lies in the plate over rows and in no other.
        hidden: widths inside of each network.

    Raises:
        ValueError: if a latent lies in another plate, or there is no data row to read.

    Example:
        The model draws the deepest layer first; the guide recognises the one next to the data
        first:

        >>> import guides, zoo
        >>> task = zoo.load("sigmoid_belief")
        >>> fit = zoo.fit(task, guides.AmortisedLayers, objective="rloo", steps=5)
        >>> fit.latents.names
        ('z2', 'z1')
        >>> list(fit.guide(*task.split("test")))
        ['z1', 'z2']
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.DISCRETE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, hidden: Sequence[int] = ()) -> None:
        super().__init__(latents)
        require_layers(self, latents)
        if not isinstance(hidden, (list, tuple)):
            raise refusal("hidden", "a tuple of widths", hidden, "Pass e.g. hidden=(64,), or ().")
        hidden = [whole("each of hidden", width) for width in hidden]
        self.layers = tuple(reversed(latents.sites))
        read = [latents.context, *(site.event_shape.numel() for site in self.layers)]
        self.networks = nn.ModuleList(
            stack((below, *hidden, above), latents.activation) for below, above in pairwise(read)
        )

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Binary and one-hot latents in the plate over rows."""
        return super().handles(latent) and latent.base_support in LAYERS

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given, from the data up."""
        plates, values = self.plates(args), {}
        below = self.latents.row_context(args)
        for site, network in zip(self.layers, self.networks, strict=True):
            output = network(below)
            logits = output.reshape(*output.shape[:-1], *logits_shape(site))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, discrete(logits, site))
            value = values[site.name]
            below = value.reshape(*value.shape[: value.dim() - len(site.event_shape)], -1)
        return values


def require_layers(guide: Guide, latents: Latents) -> None:
    """Refuses latents that do not lie in the plate over the model's rows, and there alone.

    Raises:
        ValueError: naming the latent and its plates, or for a model without rows to read.
    """
    name = type(guide).__name__
    if not latents.row_args:
        raise ValueError(
            f"{name} reads data rows; no argument holds the rows of {latents.row_plate}. "
            "Put the rows in a plate named 'data'."
        )
    for site in latents.sites:
        if len(site.batch_shape) != 1:
            raise ValueError(
                f"{name} takes latents in the plate over rows alone, at dim -1; '{site.name}' has "
                f"plates {[plate.name for plate in site.plates]}. Make the others dimensions of "
                "the event with to_event, or use an amortised guide that is not layered."
            )
