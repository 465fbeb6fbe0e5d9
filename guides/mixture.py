"""Mixture of diagonal normals over all global latents.

    q(z) = T( sum_k w_k N(u; m_k, diag s_k^2) ).

Several modes, and correlations that several normals can trace. Draws follow all parameters, so
that any objective trains it; but between modes that lie far apart hardly a draw tells the weights
which mode is worth more. The objective `stratified` draws from every component instead.

Parameters: K + 2 K d for K components and d unconstrained values.
Sources: Morningstar et al. 2021, "Automatic differentiation variational inference with mixtures";
Jankowiak & Karaletsos 2019, "Pathwise derivatives for multivariate distributions".
Topic: Latents that all rows share.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.joint import sample_jointly
from guides.parts.normal import SMALL_SCALE
from guides.parts.plates import positive
from zoo.checks.arguments import whole
from zoo.distributions import MixtureOfNormals
from zoo.latents import Kind, Latents

COMPONENTS = 4


class Mixture(Guide):
    """A mixture of `components` diagonal normals over all global latents, on their supports.

    The means start apart, at draws of a standard normal: components that start alike stay alike.

    Args:
        latents: the latents to cover.
        components: K, from 2 on.

    Raises:
        ValueError: for fewer than 2 components.

    Example:
        Eight schools has 10 unconstrained values: 4 weights, 40 means and 40 scales.

        >>> import guides, zoo
        >>> task = zoo.load("eight_schools")
        >>> fit = zoo.fit(task, guides.Mixture, objective="stratified", steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        84
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False
    mixes: ClassVar[bool] = True

    def __init__(self, latents: Latents, components: int = COMPONENTS) -> None:
        super().__init__(latents)
        way = "One normal is mean_field."
        shape = (
            whole("components", components, least=2, way=way),
            sum(s.size for s in latents.sites),
        )
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(shape))
        self.unconstrained_scale = nn.Parameter(torch.full(shape, SMALL_SCALE))

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        q = MixtureOfNormals(self.logits, self.loc, positive(self.unconstrained_scale))
        return sample_jointly(self.latents, self.plates(args), q)
