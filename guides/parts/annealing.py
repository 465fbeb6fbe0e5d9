"""An annealed chain inside a guide: leapfrog steps on bridges, with the density of its way back.

All latents are moved as one vector y = (u - m) / s, in which the start q_0 is N(0, I) and the
gradient of bridge k is b_k grad log p(y) - (1 - b_k) y. For k = 1, ..., K the momentum is
refreshed in part, v_k ~ N(g_k v'_{k-1}, (1 - g_k^2) I), and a leapfrog step leads to
(y_k, v'_k). Leapfrog steps preserve volume. The way back begins with v'_K ~ N(0, I), undoes each
step, and draws v'_{k-1} from

    N( g_k v_k + (1 - g_k^2) f_k(y_{k-1}, v_k), (1 - g_k^2) I ),

where f is 0, as in a chain that stays in equilibrium, or a network.
"""

from collections.abc import Callable, Iterable

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from guides.parts.hamiltonian import AUXILIARY, FIRST_STEP
from guides.parts.joint import sample_jointly, split_up
from guides.parts.log_joint import LogJoint
from guides.parts.plates import Plates, positive, unscaled
from zoo.checks.arguments import whole
from zoo.latents import Latents

KEPT = 2.2  # sigmoid(2.2) = 0.9 of a momentum is kept at the start


class Correction(nn.Module):
    """A network of one hidden layer for f above; 0 until it is trained.

    Args:
        size: numbers in a position.
        refreshments: how many there are; each has biases of its own.
        hidden: units.
    """

    def __init__(self, size: int, refreshments: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * size, hidden)
        self.bias = nn.Parameter(torch.zeros(refreshments, hidden))
        self.last = nn.Linear(hidden, size)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, k: int, y: Tensor, v: Tensor) -> Tensor:
        """What f_k gives at y and v, in the shape of v."""
        inside = self.first(torch.cat([y, v], dim=-1)) + self.bias[k]
        return self.last(inside.tanh())


class AnnealedChain(nn.Module):
    """K leapfrog steps of all latents at once, each on a bridge from start to target.

    Args:
        latents: the latents to move.
        bridges: K.
        correction: f above, or None for 0.

    Raises:
        ValueError: for fewer than 0 bridges.
    """

    def __init__(
        self, latents: Latents, bridges: int, correction: Correction | None = None
    ) -> None:
        super().__init__()
        self.latents = latents
        self.bridges = whole("bridges", bridges, least=0)
        self.correction = correction
        size = sum(site.size for site in latents.sites)
        first = unscaled(torch.full((size,), FIRST_STEP))
        self.unconstrained_step = nn.ParameterList(first.clone() for _ in range(bridges))
        self.distance = nn.ParameterList(
            torch.zeros(()) for _ in range(bridges + 1 if bridges else 0)
        )
        self.unconstrained_kept = nn.ParameterList(
            torch.full((), KEPT) for _ in range(bridges - 1)
        )

    @property
    def betas(self) -> list[Tensor]:
        """b_1 < ... < b_K, each of shape (): the softmax of the distances, summed up."""
        if not self.bridges:
            return []
        return list(torch.stack(list(self.distance)).softmax(0).cumsum(0)[:-1])

    def sample(
        self,
        loc: Iterable[Tensor],
        unconstrained_scale: Iterable[Tensor],
        plates: Plates,
        density: LogJoint,
    ) -> dict[str, Tensor]:
        """Samples y_0 and the momenta as auxiliary sites, then every latent at u_K.

        The Delta of the joint site carries the density of the way back and the scales of the
        start, so that log q of a run is that of the way there less that of the way back.

        Args:
            loc: m, one tensor for each latent.
            unconstrained_scale: of s, of the same shapes.
            plates: the open plates.
            density: of the target.

        Returns:
            Site -> value.
        """
        m, s = _flat(loc), positive(_flat(unconstrained_scale))
        noise = dist.Normal(torch.zeros_like(m), torch.ones_like(m)).to_event(1)

        def pull(y: Tensor) -> Tensor:
            parts = split_up(self.latents, m + s * y)
            slopes = [g.reshape(*y.shape[:-1], -1) for g in density.gradient(parts)]
            return s * torch.cat(slopes, dim=-1)

        y = pyro.sample("joint_start", noise, infer=AUXILIARY)
        y, back = self._moved(y, noise, pull)
        log_density = (-back - s.log().sum()).expand(y.shape[:-1])
        arrived = dist.Delta(m + s * y, log_density=log_density, event_dim=1)
        return sample_jointly(self.latents, plates, arrived)

    def _moved(
        self, y: Tensor, noise: TorchDistributionMixin, pull: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The end of the chain, and log density of all momenta on the way back."""
        back = y.new_zeros(())
        if not self.bridges:
            return y, back
        slope, v = pull(y), torch.zeros_like(y)
        for k, beta in enumerate(self.betas):
            came, q = v, self._refreshed(k, v) if k else noise
            v = pyro.sample(f"joint_momentum_{k + 1}", q, infer=AUXILIARY)
            if k:
                back = back + self._returned(k, y, v).log_prob(came)
            step = positive(self.unconstrained_step[k])
            v = v + step / 2 * (beta * slope - (1 - beta) * y)
            y = y + step * v
            slope = pull(y)
            v = v + step / 2 * (beta * slope - (1 - beta) * y)
        return y, back + noise.log_prob(v)

    def _refreshed(self, k: int, v: Tensor) -> TorchDistributionMixin:
        kept, spread = self._damping(k)
        return dist.Normal(kept * v, spread.expand(v.shape)).to_event(1)

    def _returned(self, k: int, y: Tensor, v: Tensor) -> TorchDistributionMixin:
        kept, spread = self._damping(k)
        loc = kept * v
        if self.correction is not None:
            loc = loc + spread**2 * self.correction(k - 1, y, v)
        return dist.Normal(loc, spread.expand(v.shape)).to_event(1)

    def _damping(self, k: int) -> tuple[Tensor, Tensor]:
        """Refreshment k: g and sqrt(1 - g^2), which loses no digits near g = 1."""
        raw = self.unconstrained_kept[k - 1]
        kept = raw.sigmoid()
        return kept, ((-raw).sigmoid() * (1 + kept)).sqrt()


def _flat(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])
