"""What the flows over all global latents share: noise, units, and the normal they start near.

    e ~ N(0, I),   u = e after the flow's steps and an affine map m + s * (.),   z = T(a + A u).

The frame (a, A) is fixed: (0, I), or the normal that :meth:`JointFlow.start_at` was given. The
flow then bends a normal of scale 1, whatever the units of the data. A subclass says which steps
there are, and whether the affine map, which is learned, comes before or after them.

One draw far out, as in the neck of a funnel, may have a gradient a billion times the usual. A step
of Adam then moves every parameter, and its average of squares stops all later steps. The gradient
is therefore clipped, at a norm that few steps reach.
"""

from abc import abstractmethod
from typing import ClassVar

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from torch import Tensor, nn
from torch.distributions import Transform

from guides.guide import Guide
from guides.parts.cholesky import CholeskyAffine
from guides.parts.joint import sample_jointly
from guides.parts.normal import SMALL_SCALE
from guides.parts.plates import positive, unscaled
from zoo.latents import Kind, Latents


class JointFlow(Guide):
    """Transforms of standard normal noise over all global latents; a subclass says which.

    Args:
        latents: the latents to cover.
        least: how many unconstrained values the flow needs.

    Raises:
        ValueError: if the latents have fewer.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False
    clip_norm: ClassVar[float | None] = 100.0  # one draw in a funnel's neck must not undo a fit

    def __init__(self, latents: Latents, least: int) -> None:
        super().__init__(latents)
        self.size = sum(site.size for site in latents.sites)
        if self.size < least:
            raise ValueError(
                f"Expected at least {least} unconstrained values for {type(self).__name__}; "
                f"got {self.size}. Use MeanField."
            )
        self.loc = nn.Parameter(torch.zeros(self.size))
        self.unconstrained_scale = nn.Parameter(torch.full((self.size,), SMALL_SCALE))
        self.register_buffer("frame_mean", torch.zeros(self.size))
        self.register_buffer("frame_factor", torch.eye(self.size))

    frame_mean: Tensor
    frame_factor: Tensor

    @abstractmethod
    def transforms(self, affine: Transform) -> list[Transform]:
        """What the noise e goes through on its way into the frame, the first one first.

        Args:
            affine: v -> m + s * v, to be put where it belongs among the steps.
        """

    def scale_at_start(self) -> float:
        """The s at which noise of scale 1 comes out with scale 1, before training."""
        return 1.0

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        noise = dist.Normal(torch.zeros_like(self.loc), torch.ones_like(self.loc)).to_event(1)
        scale = positive(self.unconstrained_scale)
        affine = transforms.AffineTransform(self.loc, scale, event_dim=1, cache_size=1)
        steps = self.transforms(affine)
        frame = CholeskyAffine(self.frame_mean, self.frame_factor)
        q = dist.TransformedDistribution(noise, [*steps, frame])
        return sample_jointly(self.latents, self.plates(args), q)

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
        scale = torch.full_like(self.loc, self.scale_at_start())
        self.unconstrained_scale.copy_(unscaled(scale))


@torch.no_grad()
def near_identity(network: nn.Module, share: float) -> nn.Module:
    """The network of a step with its last layer made small, so that the step changes little.

    Args:
        network: a dense or masked network of Pyro's.
        share: what is left of the last layer; 0 where outputs of 0 are the identity and the
            first gradient tells the outputs apart.
    """
    for parameter in network.layers[-1].parameters():  # type: ignore[index,union-attr]
        parameter.mul_(share)
    return network
