"""Inverse autoregressive flow over all global latents.

    v_0 = m + s * e,  e ~ N(0, I);   v_t = g_t * v_{t-1} + (1 - g_t) * m_t,   z = T(a + A v_T),

with gates g_t and means m_t autoregressive in v_{t-1}: the Jacobian is triangular, so
log q(z) = log N(v_0; m, s^2) - sum_t sum_i log g_{t,i} - log |det A| - log |det dT|.

The frame (a, A) is fixed: (0, I), or the normal that :meth:`IAF.start_at` was given. The flow then
bends a normal of scale 1, whatever the units of the data.

Parameters: 2 d for the base, and one masked network a step.
Source: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
Topic: Latents that all rows share.
"""

from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.cholesky import CholeskyAffine
from guides.parts.flows import GATE_AT_START, autoregressive_stack
from guides.parts.joint import sample_jointly
from guides.parts.normal import SMALL_SCALE
from guides.parts.plates import positive, unscaled
from zoo.latents import Kind, Latents


class IAF(Guide):
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

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents, depth: int = 2, hidden: int | None = None) -> None:
        super().__init__(latents)
        size = sum(site.size for site in latents.sites)
        if size < 2:
            raise ValueError(f"Expected at least 2 unconstrained values for IAF; got {size}.")
        self.loc = nn.Parameter(torch.zeros(size))
        self.unconstrained_scale = nn.Parameter(torch.full((size,), SMALL_SCALE))
        self.steps = autoregressive_stack(size, depth, hidden or max(2 * size, 8))
        self.register_buffer("frame_mean", torch.zeros(size))
        self.register_buffer("frame_factor", torch.eye(size))

    frame_mean: Tensor
    frame_factor: Tensor

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        base = dist.Normal(self.loc, positive(self.unconstrained_scale)).to_event(1)
        latents, plates = self.latents, self.plates(args)
        frame = CholeskyAffine(self.frame_mean, self.frame_factor)
        q = dist.TransformedDistribution(base, [*self.steps, frame])
        return sample_jointly(latents, plates, q)

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Starts near N(mean, factor factor^T) over all unconstrained values, and in its frame.

        Args:
            mean: site by site, shape (d,).
            factor: lower triangular with a positive diagonal, shape (d, d).
        """
        self.frame_mean.copy_(mean)
        self.frame_factor.copy_(factor)
        self.loc.zero_()
        scale = torch.full_like(self.loc, GATE_AT_START ** -len(self.steps))
        self.unconstrained_scale.copy_(unscaled(scale))
