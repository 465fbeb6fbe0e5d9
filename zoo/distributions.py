"""Distributions over vectors: of the two functions that define one, and mixtures of normals."""

import math
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
NO_SHAPE = torch.Size()
UNIT_CUBE = constraints.independent(constraints.unit_interval, 1)


class Density(TorchDistribution):
    """A distribution over R^M, or a part of it, whose draws are independent over its batch.

    Args:
        score: log density, (..., M) -> (...), nats.
        draw: shape -> draws of that shape, (*shape, M).
        size: M.
        batch_shape: of the distribution.
        support: of one vector.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    has_rsample = False

    def __init__(
        self,
        score: Callable[[Tensor], Tensor],
        draw: Callable[[torch.Size], Tensor],
        size: int,
        batch_shape: torch.Size = NO_SHAPE,
        support: Constraint = constraints.real_vector,
    ) -> None:
        self.score, self.draw, self.size, self.inside = score, draw, size, support
        super().__init__(batch_shape, torch.Size((size,)), validate_args=False)

    @property
    def support(self) -> Constraint:
        """Of one vector."""
        return self.inside

    def expand(self, batch_shape: Any, _instance: object = None) -> "Density":
        """The same with another batch shape."""
        batch = torch.Size(batch_shape)
        return Density(self.score, self.draw, self.size, batch, self.inside)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at `value`, nats, shape (..., *batch)."""
        found = self.score(value)
        return found.expand(torch.broadcast_shapes(found.shape, self.batch_shape))

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, shape (*sample_shape, *batch, M)."""
        with torch.no_grad():
            return self.draw(torch.Size((*sample_shape, *self.batch_shape)))


def unit_cube(size: int, like: Tensor) -> Density:
    """The uniform distribution on [0, 1]^size, with the dtype and device of `like`."""

    def score(u: Tensor) -> Tensor:
        return u.new_zeros(u.shape[:-1])

    def draw(shape: torch.Size) -> Tensor:
        return torch.rand(*shape, size, dtype=like.dtype, device=like.device)

    return Density(score, draw, size, support=UNIT_CUBE)


class MixtureOfNormals(TorchDistribution):
    """A mixture of K diagonal normals over vectors, whose draws follow all its parameters.

    A draw z0 moves with the parameters by a velocity v that carries the density q along with
    them, dq + div(q v) = 0. With r_k(z) the probability that z came from component k:

        v of means and scales:   sum_k r_k (dm_k + ds_k (z - m_k) / s_k),
        v of the weights:       -sum_{k,j} dw_k w_j F_kj / q,   div F_kj = q_k - q_j,

    where F_kj turns q_k into q_j coordinate by coordinate. Between components that lie far apart
    q is small, so that few draws carry the gradient of the weights: it is unbiased, and noisy.

    Args:
        logits: of the components' weights, shape (*batch, K).
        loc: means, shape (*batch, K, d).
        scale: standard deviations, shape (*batch, K, d).

    Source: Jankowiak & Karaletsos 2019, "Pathwise derivatives for multivariate distributions".
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.log_weights, self.loc, self.scale = logits.log_softmax(-1), loc, scale
        super().__init__(logits.shape[:-1], loc.shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> "MixtureOfNormals":
        """The same mixture for a larger batch."""
        shape, parts = torch.Size(batch_shape), self.loc.shape[-2:]
        logits = self.log_weights.expand(*shape, parts[0])
        return MixtureOfNormals(logits, self.loc.expand(*shape, *parts), self._scale(shape))

    def _scale(self, shape: torch.Size) -> Tensor:
        return self.scale.expand(*shape, *self.scale.shape[-2:])

    @property
    def mean(self) -> Tensor:
        """Shape (*batch, d)."""
        return (self.log_weights.exp()[..., None] * self.loc).sum(-2)

    @property
    def variance(self) -> Tensor:
        """Shape (*batch, d)."""
        square = self.scale.square() + (self.loc - self.mean[..., None, :]).square()
        return (self.log_weights.exp()[..., None] * square).sum(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density, (..., d) -> (...), nats."""
        return (self.log_weights + self._by_coordinate(value).sum(-1)).logsumexp(-1)

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, (*sample_shape, *batch, d), that can be differentiated in all parameters."""
        shape = self._extended_shape(sample_shape)
        uniform = torch.rand(shape[:-1], dtype=self.loc.dtype, device=self.loc.device)
        bounds = self.log_weights.detach().exp().cumsum(-1)[..., :-1]
        which = (uniform[..., None] > bounds).sum(-1)
        return self._moving(self.of_component(which, shape).detach())

    def of_component(self, which: Tensor | int, shape: torch.Size) -> Tensor:
        """Draws from single components, differentiable in their means and scales.

        Args:
            which: numbers of components, shape[:-1], or one for all draws.
            shape: of the draws, (..., d).
        """
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        if isinstance(which, int):
            return self.loc[..., which, :] + self.scale[..., which, :] * noise
        chosen = torch.arange(self.loc.shape[-2], device=which.device) == which[..., None]
        loc, scale = (
            torch.where(chosen[..., None], p, 0.0).sum(-2) for p in (self.loc, self.scale)
        )
        return loc + scale * noise

    def _by_coordinate(self, value: Tensor) -> Tensor:
        """Log N(z_i; m_ki, s_ki^2), (..., K, d)."""
        noise = (value.unsqueeze(-2) - self.loc) / self.scale
        return -0.5 * noise.square() - self.scale.log() - LOG_ROOT_TWO_PI

    def _moving(self, z: Tensor) -> Tensor:
        """The draw z with its velocity as derivative."""
        with torch.no_grad():
            noise = (z.unsqueeze(-2) - self.loc) / self.scale
            shares = (self.log_weights + self._by_coordinate(z).sum(-1)).softmax(-1)
            along = self._along_weights(z, noise)
        placed = (shares[..., None] * (self.loc + self.scale * noise)).sum(-2)
        weighed = (self.log_weights[..., None] * along).sum(-2)
        return z + (placed - placed.detach()) + (weighed - weighed.detach())

    def _along_weights(self, z: Tensor, noise: Tensor) -> Tensor:
        """Velocity of z in each component's log weight, (..., K, d)."""
        parts, weights = self._by_coordinate(z), self.log_weights.exp()
        log_q = self.log_prob(z)[..., None, None, None]
        before = (parts.cumsum(-1) - parts).unsqueeze(-3)  # of j, which replaces k
        after = (parts.flip(-1).cumsum(-1).flip(-1) - parts).unsqueeze(-2)  # of k
        below = torch.special.ndtr(noise)
        step = below.unsqueeze(-2) - below.unsqueeze(-3)  # (..., K, K, d): k, then j
        flow = step * (before + after - log_q).exp()
        return -weights[..., None] * (weights[..., None, :, None] * flow).sum(-2)
