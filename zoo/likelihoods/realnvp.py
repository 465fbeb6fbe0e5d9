"""RealNVP given a context: a normal bent by couplings that see the context, squeezed into a cube.

    e ~ N(0, I_D),   e_B = m(e_A, c) + exp(a(e_A, c)) e_B,   A and B the halves, swapped each time,
    y = (sigmoid(e) - alpha) / (1 - 2 alpha),   alpha = 0.05.

The context c is all that a decoder gives, flattened. Density and draws are one pass each.

Parameters: one network with a hidden layer for each coupling.
Source: Dinh, Sohl-Dickstein and Bengio (2017), Density estimation using Real NVP, ICLR.
Departs from the paper: dense networks on two halves of the vector, given a context; no batch
normalisation; a = 2 tanh(. / 2) holds a coupling's scales between exp(-2) and exp(2).
"""

import torch
from torch import Tensor, nn
from torch.distributions import Normal, constraints
from torch.nn.functional import logsigmoid

from zoo.distributions import Density
from zoo.nn import beside, mlp

ALPHA = 0.05
INSIDE = constraints.independent(
    constraints.interval(-ALPHA / (1 - 2 * ALPHA), (1 - ALPHA) / (1 - 2 * ALPHA)), 1
)


class RealNVPLikelihood(nn.Module):
    """A density over vectors of size D, around the unit cube, given D * `numbers` outputs.

    Args:
        features: D, at least 2.
        numbers: outputs for each dimension.
        depth: number of couplings.
        hidden: hidden units of a coupling's network.

    Raises:
        ValueError: for fewer than two dimensions.
    """

    def __init__(self, features: int, numbers: int = 1, depth: int = 4, hidden: int = 64) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(
                f"Expected features of at least 2, one for each half of a vector; got {features}."
            )
        self.features, self.numbers, self.kept = features, numbers, features // 2
        moved, context = features - self.kept, features * numbers
        self.networks = nn.ModuleList(
            mlp((self.kept + context, hidden, 2 * moved), nn.ReLU) for _ in range(depth)
        )

    def forward(self, outputs: Tensor) -> Density:
        """The density of a row: (..., D, numbers) -> event shape (D,)."""
        context = outputs.flatten(-2)

        def score(y: Tensor) -> Tensor:
            return self._score(y, context)

        def draw(shape: torch.Size) -> Tensor:
            return self._cube(self._bend(torch.randn(*shape, self.features).to(context), context))

        return Density(score, draw, self.features, context.shape[:-1], INSIDE)

    def mean(self, outputs: Tensor) -> Tensor:
        """Where the middle of the normal, e = 0, goes: (..., D, numbers) -> (..., D)."""
        context = outputs.flatten(-2)
        middle = context.new_zeros(*context.shape[:-1], self.features)
        return self._cube(self._bend(middle, context))

    def _score(self, y: Tensor, context: Tensor) -> Tensor:
        share = ALPHA + (1 - 2 * ALPHA) * y
        e = share.log() - (-share).log1p()
        # of y in e: a sigmoid's slope and the stretch of the cube
        log_slope = logsigmoid(e) + logsigmoid(-e) - torch.log1p(e.new_tensor(-2 * ALPHA))
        log_det = log_slope.sum(-1)
        for network in reversed(self.networks):
            e = e.flip(-1)
            still, moved = e[..., : self.kept], e[..., self.kept :]
            loc, log_scale = self._affine(network, still, context)
            e = beside(still, (moved - loc) * (-log_scale).exp())
            log_det = log_det + log_scale.sum(-1)
        return Normal(0.0, 1.0, validate_args=False).log_prob(e).sum(-1) - log_det

    def _bend(self, e: Tensor, context: Tensor) -> Tensor:
        for network in self.networks:
            still, moved = e[..., : self.kept], e[..., self.kept :]
            loc, log_scale = self._affine(network, still, context)
            e = beside(still, loc + log_scale.exp() * moved).flip(-1)
        return e

    def _affine(self, network: nn.Module, still: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = network(beside(still, context)).chunk(2, dim=-1)
        return loc, 2 * torch.tanh(raw / 2)

    def _cube(self, e: Tensor) -> Tensor:
        return (torch.sigmoid(e) - ALPHA) / (1 - 2 * ALPHA)
