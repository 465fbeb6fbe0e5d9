"""Inverse autoregressive flow over all global latents.

    v_0 = m + s * e,  e ~ N(0, I);   v_t = g_t * v_{t-1} + (1 - g_t) * m_t,   z = T(a + A v_T),

with gates g_t and means m_t autoregressive in v_{t-1}: the Jacobian is triangular, so
log q(z) = log N(v_0; m, s^2) - sum_t sum_i log g_{t,i} - log |det A| - log |det dT|.

The frame (a, A) is fixed: (0, I), or the normal that :meth:`JointFlow.start_at` was given. The
flow then bends a normal of scale 1, whatever the units of the data.

Parameters: 2 d for the base, and one masked network a step.
Source: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
Topic: Latents that all rows share.
"""

from typing import ClassVar

from torch.distributions import Transform

from guides.parts.flows import GATE_AT_START, autoregressive_stack
from guides.parts.joint_flow import JointFlow
from zoo.latents import Latents


class IAF(JointFlow):
    """`depth` inverse autoregressive steps on a diagonal normal over all global latents.

    Raises:
        ValueError: if the latents have one unconstrained value in all; nothing is autoregressive.

    Example:
        A call draws every latent of the model, on its own support (tau is positive):

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.IAF, steps=10)
        >>> draw = fit.guide(*fit.task.data.train)
        >>> {name: tuple(value.shape) for name, value in draw.items()}
        {'mu': (), 'tau': (), 'theta': (8,)}
        >>> bool(draw["tau"] > 0)
        True
    """

    clip_norm: ClassVar[float | None] = 1000.0  # a tighter one let 8 of 24 long fits diverge

    def __init__(self, latents: Latents, depth: int = 2, hidden: int | None = None) -> None:
        super().__init__(latents, least=2)
        self.steps = autoregressive_stack(self.size, depth, hidden or max(2 * self.size, 8))

    def transforms(self, affine: Transform) -> list[Transform]:
        """The base m + s * e, then the steps."""
        return [affine, *self.steps]  # type: ignore[list-item]

    def scale_at_start(self) -> float:
        """Undoes the gates, each of which shrinks by the same share at first."""
        return GATE_AT_START ** -len(self.steps)
