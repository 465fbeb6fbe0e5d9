"""Bottom-up guide of latents in a chain: each is inferred from the one below it.

    q(z_1, .., z_L | x) = q(z_1 | x) q(z_2 | z_1) ... q(z_L | z_{L-1}),
    q(z_l | below) = T( N(u; m_l(below), diag s_l(below)^2) ).

The latents are taken in the reverse of the order in which the model draws them: what the data came
from last is recognised first. Where the model's latents are not a Markov chain, what it leaves out
is that z_l depends on x also past z_{l-1}.

Parameters: a network with one hidden layer for each latent.
Sources: Rezende, Mohamed & Wierstra 2014, "Stochastic backpropagation and approximate inference in
deep generative models"; Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders".
Topic: Layers of latents.
"""

from collections.abc import Sequence
from typing import ClassVar

import pyro
from torch import Tensor, nn

from guides.amortised_layers import require_layers
from guides.guide import Guide
from guides.parts.encoder import stack
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latents


class BottomUp(Guide):
    """Normal latents, each given the one below it; the first is given the data row.

    Args:
        latents: the latents to cover; each lies in the plate over rows and in no other.
        hidden: widths inside of each network; by default the model's widest layer.

    Raises:
        ValueError: if a latent lies in another plate, or there is no data row to read.

    Example:
        The model draws its groups from the top, the guide recognises them from the bottom:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("hvae"), guides.BottomUp, steps=5)
        >>> fit.latents.names
        ('z_2', 'z_1')
        >>> list(fit.guide(*fit.task.split("test")))
        ['z_1', 'z_2']
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, hidden: Sequence[int] | None = None) -> None:
        super().__init__(latents)
        require_layers(self, latents)
        if hidden is None:
            hidden = (max(latents.hidden),) if latents.hidden else ()
        self.layers = tuple(reversed(latents.sites))
        read = [latents.context, *(site.event_shape.numel() for site in self.layers)]
        self.networks = nn.ModuleList(
            stack((below, *hidden, 2 * site.unconstrained_shape.numel()), latents.activation)
            for below, site in zip(read[:-1], self.layers, strict=True)
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given, from the data up."""
        plates, values = self.plates(args), {}
        below = self.latents.row_context(args)
        for site, network in zip(self.layers, self.networks, strict=True):
            loc, scale = network(below).chunk(2, dim=-1)
            event = site.unconstrained_shape
            loc, scale = (v.reshape(*v.shape[:-1], *event) for v in (loc, positive(scale)))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
            value = values[site.name]
            below = value.reshape(*value.shape[: value.dim() - len(site.event_shape)], -1)
        return values
