"""The normal distribution above zero alone, the prior of rates in models of Stan."""

from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from zoo.distributions import LOG_ROOT_TWO_PI, NO_SHAPE


class PositiveNormal(TorchDistribution):
    """N(loc, scale^2) given that the value is above 0: its density there is divided by its mass.

    Args:
        loc: mean of the normal that is cut, any shape.
        scale: its standard deviation, broadcasting with loc.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, *, validate_args: bool | None = None) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> "PositiveNormal":
        """The same with another batch shape."""
        shape = torch.Size(batch_shape)
        return PositiveNormal(
            self.loc.expand(shape), self.scale.expand(shape), validate_args=False
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at a positive value, nats."""
        if self._validate_args:
            self._validate_sample(value)
        noise, above = (value - self.loc) / self.scale, self.loc / self.scale
        mass = torch.special.log_ndtr(above)
        return -0.5 * noise.square() - self.scale.log() - LOG_ROOT_TWO_PI - mass

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws by the inverse of the distribution function, differentiable in loc and scale."""
        shape = self._extended_shape(sample_shape)
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        mass = torch.special.ndtr(self.loc / self.scale)
        value = self.loc - self.scale * torch.special.ndtri(uniform * mass)
        return value.clamp(min=torch.finfo(value.dtype).tiny)
