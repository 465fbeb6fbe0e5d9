"""RealNVP given a context: a normal under couplings, then a sigmoid onto a cube around [0, 1]^D.

    e ~ N(0, I_D),   e_B = m(e_A, c) + exp(a(e_A, c)) e_B,   A and B the halves, swapped each time,
    y = (sigmoid(e) - alpha) / (1 - 2 alpha),   alpha = 0.05.

The context c is the output of a decoder, flattened. Density and draws take one pass each.

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
CUBE = constraints.independent(
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
            return self._squash(
                self._couple(torch.randn(*shape, self.features).to(context), context)
            )

        return Density(score, draw, self.features, context.shape[:-1], CUBE)

    def mean(self, outputs: Tensor) -> Tensor:
        """The y of e = 0, the mean of the normal: (..., D, numbers) -> (..., D)."""
        context = outputs.flatten(-2)
        middle = context.new_zeros(*context.shape[:-1], self.features)
        return self._squash(self._couple(middle, context))

    def _score(self, y: Tensor, context: Tensor) -> Tensor:
        share = ALPHA + (1 - 2 * ALPHA) * y
        e = share.log() - (-share).log1p()
        # log dy/de of the sigmoid and of the scaling onto the cube
        log_slope = logsigmoid(e) + logsigmoid(-e) - torch.log1p(e.new_tensor(-2 * ALPHA))
        log_det = log_slope.sum(-1)
        for network in reversed(self.networks):
            e = e.flip(-1)
            kept, moved = e[..., : self.kept], e[..., self.kept :]
            loc, log_scale = self._affine(network, kept, context)
            e = beside(kept, (moved - loc) * (-log_scale).exp())
            log_det = log_det + log_scale.sum(-1)
        return Normal(0.0, 1.0, validate_args=False).log_prob(e).sum(-1) - log_det

    def _couple(self, e: Tensor, context: Tensor) -> Tensor:
        for network in self.networks:
            kept, moved = e[..., : self.kept], e[..., self.kept :]
            loc, log_scale = self._affine(network, kept, context)
            e = beside(kept, loc + log_scale.exp() * moved).flip(-1)
        return e

    def _affine(self, network: nn.Module, kept: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = network(beside(kept, context)).chunk(2, dim=-1)
        return loc, 2 * torch.tanh(raw / 2)

    def _squash(self, e: Tensor) -> Tensor:
        return (torch.sigmoid(e) - ALPHA) / (1 - 2 * ALPHA)
