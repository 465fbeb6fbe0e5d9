"""Amortised inverse autoregressive flow: a network gives each row's normal and flow.

    u_0 = m(x) + s(x) * e,   u_t = g_t * u_{t-1} + (1 - g_t) * m_t,

with gates g_t and means m_t autoregressive in u_{t-1}, given a context h(x).

Parameters: the encoder's, and one masked network a step, which also reads the context h(x).
Source: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
Topic: Encoders with flows.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.amortised_flow import AmortisedFlow
from guides.parts.flows import conditional_stack
from guides.per_datum_iaf import PerDatumIAF
from zoo.latents import Family, Latents


class AmortisedIAF(AmortisedFlow):
    """`depth` inverse autoregressive steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        hidden: hidden units of a step's network; by default twice the latent's size, at least 32.
        context: size of the context h(x) that every step reads.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        The encoder's head gives the mean and the scale of 2 values, and the 16 numbers of the
        context:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedIAF, x, steps=10)
        >>> fit.guide.encoder.heads[0].out_features
        20
        >>> fit.guide(torch.randn(3, 5))["z"].shape
        torch.Size([3, 2])
    """

    row_families: ClassVar[tuple[type[Family], ...]] = (PerDatumIAF,)

    def __init__(
        self,
        latents: Latents,
        depth: int = 2,
        hidden: int | None = None,
        context: int = 16,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents, lambda size: context, body)
        self.steps = nn.ModuleList(
            conditional_stack(size, context, depth, hidden) for size in self.sizes
        )

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """One for each network, given the context."""
        return [step.condition(context) for step in self.steps[latent]]  # type: ignore[attr-defined]
