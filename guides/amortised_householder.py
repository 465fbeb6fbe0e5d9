"""Amortised Householder flow: a network gives each row's normal, turned by reflections.

    u_0 = m(x) + s(x) * e,   u_t = u_{t-1} - 2 v_t (v_t . u_{t-1}) / |v_t|^2,

with v_t functions of x. Reflections keep volumes, log |det| = 0, so q is a normal with covariance
H diag(s^2) H^T, H = H_T ... H_1; d - 1 of them reach every covariance.

Parameters: the encoder's; its head gives 2 d + T d numbers for d values and T reflections.
Source: Tomczak & Welling 2016, "Improving variational auto-encoders using Householder flow".
Departs from the paper: all v_t are read off x at once, not v_t off v_{t-1}.
Topic: Encoders with flows.
"""

from pyro.distributions.transforms.householder import ConditionedHouseholder
from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.amortised_flow import AmortisedFlow
from zoo.latents import Latents

MOST_REFLECTIONS = 10


class AmortisedHouseholder(AmortisedFlow):
    """Reflections of an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of reflections T; by default one fewer than the latent's values, at most 10.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Reflections keep volumes: the density of a draw is that of the normal it was reflected
        from.

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedHouseholder, x, steps=10)
        >>> q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
        >>> z = q.sample()
        >>> u = z
        >>> for step in reversed(q.transforms):
        ...     u = step.inv(u)
        >>> torch.allclose(q.log_prob(z), q.base_dist.log_prob(u), atol=1e-4)
        True
    """

    def __init__(
        self, latents: Latents, depth: int | None = None, body: nn.Module | None = None
    ) -> None:
        def context(size: int) -> int:
            return size * (min(size - 1, MOST_REFLECTIONS) if depth is None else depth)

        super().__init__(latents, context, body)

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """All reflections as one; each takes d values of the context."""
        return [ConditionedHouseholder(context.unflatten(-1, (-1, loc.shape[-1])))]
