"""A Markov chain of Hamiltonian moves inside a guide, with a model of its way back.

From u_0, for t = 1, ..., T:

    v_t ~ q_t(v | u_{t-1}, c),   (u_t, v'_t) = leapfrog steps on log p(x, u) from (u_{t-1}, v_t),

and r_t(v' | u_t, c) says which momentum led to u_t; c is what is known of the row. Volume is
preserved, so that with w = (u_0, v_1, ..., v_T)

    E[ log p(x, u_T) + sum_t log r_t(v'_t | u_t) - log q(u_0) - sum_t log q_t(v_t | u_{t-1}) ]

is at most log p(x): the chain and its way back are two densities of the same numbers.
Source: Salimans, Kingma & Welling 2015, "Markov chain Monte Carlo and variational inference:
bridging the gap".
"""

from collections.abc import Sequence
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine.runtime import InferDict
from torch import Tensor, nn
from torch.distributions import biject_to

from guides.parts.encoder import stack
from guides.parts.joint import log_det
from guides.parts.leapfrog import leapfrog
from guides.parts.log_joint import LogJoint
from guides.parts.plates import Plates, inside, positive, unscaled
from zoo.checks.arguments import whole
from zoo.latents import Latents

AUXILIARY: InferDict = {"is_auxiliary": True}
LEAST_HIDDEN = 32  # units of a momentum's network
FIRST_STEP = 0.1  # of a leapfrog, in standard deviations of u_0
SMALL = 0.01  # weights of the last layer at the start, so that momenta start at N(0, I)


class Momentum(nn.Module):
    """N(m, diag s^2) over a momentum, given a position, the gradient there, and a context.

    Args:
        size: unconstrained numbers in an event.
        context: numbers of the context.
    """

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        widths = (2 * size + context, max(2 * size, LEAST_HIDDEN), 2 * size)
        self.network = stack(widths, nn.Tanh)
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(SMALL)
            last.bias[:size].zero_()
            last.bias[size:] = unscaled(last.bias.new_ones(()))

    def forward(
        self, u: Tensor, pull: Tensor, context: Tensor, event: int
    ) -> TorchDistributionMixin:
        """The distribution of a momentum in the shape of u.

        Args:
            u: the position, (..., *event).
            pull: the gradient of the log density there, times the scale of u; the same shape.
            context: (..., context).
            event: number of event dimensions.
        """
        shape = u.shape[: u.dim() - event]
        flat = [part.reshape(*shape, -1) for part in (u, pull)]
        read = torch.cat([*flat, context.expand(*shape, -1)], dim=-1)
        loc, scale = self.network(read).chunk(2, dim=-1)
        return dist.Normal(loc.reshape(u.shape), positive(scale).reshape(u.shape)).to_event(event)


class HamiltonianChain(nn.Module):
    """T Hamiltonian moves of all latents at once, from a start of known density.

    Args:
        latents: the latents to move.
        moves: T.
        leapfrogs: leapfrog steps in a move.
        context: numbers known of each element of a latent's plates.

    Raises:
        ValueError: for fewer than 0 moves or 1 leapfrog step.
    """

    def __init__(self, latents: Latents, moves: int, leapfrogs: int, context: int) -> None:
        super().__init__()
        self.latents = latents
        self.moves = whole("moves", moves, least=0)
        self.leapfrogs = whole("leapfrogs", leapfrogs, least=1)
        sites = latents.sites if moves else ()
        self.unconstrained_step = nn.ParameterList(
            unscaled(torch.full((moves, *site.unconstrained_shape), FIRST_STEP)) for site in sites
        )
        self.forward_momenta = self._momenta(context)
        self.reverse_momenta = self._momenta(context)

    def _momenta(self, context: int) -> nn.ModuleList:
        sizes = [site.unconstrained_shape.numel() for site in self.latents.sites]
        return nn.ModuleList(
            nn.ModuleList(Momentum(size, context) for size in sizes) for _ in range(self.moves)
        )

    def sample(
        self,
        start: Sequence[tuple[Tensor, Tensor]],
        context: Sequence[Tensor],
        plates: Plates,
        density: LogJoint,
    ) -> dict[str, Tensor]:
        """Samples the start and the momenta as auxiliary sites, then each latent at u_T.

        The Delta of a latent carries - log |dz/du| - sum_t log r_t, so that log q of a run is
        that of its start and momenta less that of the way back.

        Args:
            start: for each latent the mean and the scale of u_0, (*batch, *unconstrained event).
            context: for each latent, (*batch, context).
            plates: the open plates.
            density: whose gradient the moves follow.

        Returns:
            Site -> value.
        """
        u, back = self._start(start, plates), [torch.zeros(())] * len(start)
        scales = [scale for _, scale in start]
        pull = density.gradient(u) if self.moves else []
        for t in range(self.moves):
            steps = [
                positive(step[t]) * s
                for step, s in zip(self.unconstrained_step, scales, strict=True)
            ]
            q = self._given(self.forward_momenta[t], u, pull, scales, context)
            v = self._draw(t, q, plates)
            u, v, pull = leapfrog(u, v, pull, steps, density.gradient, self.leapfrogs)
            r = self._given(self.reverse_momenta[t], u, pull, scales, context)
            back = [total + one.log_prob(x) for total, one, x in zip(back, r, v, strict=True)]
        return self._arrive(u, back, plates)

    def _start(self, start: Sequence[tuple[Tensor, Tensor]], plates: Plates) -> list[Tensor]:
        found = []
        for site, (loc, scale) in zip(self.latents.sites, start, strict=True):
            q = dist.Normal(loc, scale).to_event(len(site.unconstrained_shape))
            with inside(plates, site):
                found.append(pyro.sample(f"{site.name}_start", q, infer=AUXILIARY))
        return found

    def _draw(
        self, t: int, momenta: Sequence[TorchDistributionMixin], plates: Plates
    ) -> list[Tensor]:
        found = []
        for site, q in zip(self.latents.sites, momenta, strict=True):
            with inside(plates, site):
                name = f"{site.name}_momentum_{t + 1}"
                found.append(pyro.sample(name, q, infer=AUXILIARY))
        return found

    def _given(
        self,
        networks: nn.Module,
        u: Sequence[Tensor],
        pull: Sequence[Tensor],
        scales: Sequence[Tensor],
        context: Sequence[Tensor],
    ) -> list[TorchDistributionMixin]:
        """The distributions of momenta at u, one for each latent."""
        found = []
        parts: Any = zip(networks, u, pull, scales, context, self.latents.sites, strict=True)  # type: ignore[call-overload]
        for network, x, slope, scale, known, site in parts:
            event = len(site.unconstrained_shape)
            found.append(network(x, slope * scale, known, event))
        return found

    def _arrive(
        self, u: Sequence[Tensor], back: Sequence[Tensor], plates: Plates
    ) -> dict[str, Tensor]:
        values = {}
        for site, part, log_r in zip(self.latents.sites, u, back, strict=True):
            transform = biject_to(site.support)
            value = transform(part)
            density = -log_det(transform, part, value, site) - log_r
            delta = dist.Delta(value, log_density=density, event_dim=len(site.event_shape))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, delta)
        return values


def objection(family: str, latents: Latents) -> str | None:
    """Why Hamiltonian moves cannot follow a model's density; None if they can.

    Args:
        family: name of the guide's class.
        latents: those that it covers.
    """
    if latents.drawn_plates:
        return (
            f"{family} follows the gradient of log p(x, z); the model draws a part of plate "
            f"'{latents.drawn_plates[0]}' by itself, so that its density is random. Pass the rows "
            "as an argument, or give the plate all its elements."
        )
    if latents.subsampled and not latents.rowwise:
        return (
            f"{family} follows the gradient of log p(x, z), and all rows share "
            f"{latents.listed}: moved by a minibatch, they fit those rows better than the others, "
            "and the bound is no bound. Use all rows at once (batch_size=None)."
        )
    return None
