"""RealNVP over all global latents: affine couplings move one half of the values by the other.

    v_0 = e ~ N(0, I);   v_A = u_A,   v_B = exp(a(u_A)) * u_B + m(u_A),   then the order of v is
    reversed; `depth` times;   z = T(a + A (m + s * v_T)),   log |det| = sum over steps of a(u_A).

Draws and densities of given points take one pass through the networks each; see
:mod:`zoo.flows.couplings`. At first each coupling is the identity: q is then the normal N(m, s^2)
in the fixed frame (a, A) of :meth:`JointFlow.start_at`.

Parameters: 2 d for m and s, and a network with one hidden layer for each coupling.
Source: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP".
Departs from the paper: a guide in place of a density of data; no batch normalisation and no
multi-scale architecture; a reversal of the order in place of alternating masks; a = 3 tanh(a'/3)
for the network's output a', in place of a learned multiple of its tanh.
Topic: Latents that all rows share.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.flows import LEAST_HIDDEN
from guides.parts.joint_flow import JointFlow, near_identity
from zoo.flows.couplings import Bounded, coupling_networks, couplings
from zoo.latents import Latents

LARGEST_LOG_SCALE = 3.0  # of a coupling: a factor of 20


class RealNVP(JointFlow):
    """`depth` affine couplings on a normal over all global latents.

    Args:
        latents: the latents to cover.
        depth: number of couplings; with an even number each value is moved as often as kept.
        hidden: hidden units of a coupling's network; by default twice the number of values, at
            least 32.

    Raises:
        ValueError: if the latents have one unconstrained value in all; it has no halves.

    Example:
        Before training it is the normal in its frame, whatever the values; of eight schools there
        are 10, of which a coupling moves 5:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.RealNVP, steps=10)
        >>> [tuple(layer.weight.shape) for layer in fit.guide.networks[0].layers]
        [(32, 5), (10, 32)]
    """

    flipped: Tensor

    def __init__(self, latents: Latents, depth: int = 4, hidden: int | None = None) -> None:
        super().__init__(latents, least=2)
        width = hidden or max(2 * self.size, LEAST_HIDDEN)
        networks = coupling_networks(self.size, depth, [width])
        self.networks = nn.ModuleList(
            Bounded(near_identity(network, 0.0), LARGEST_LOG_SCALE) for network in networks
        )
        self.register_buffer("flipped", torch.arange(self.size).flip(0), persistent=False)

    def transforms(self, affine: Transform) -> list[Transform]:
        """The couplings, then m + s * v."""
        return [*couplings(self.networks, self.flipped), affine]
