"""Normals with a covariance given by its Cholesky factor."""

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import CatTransform, Transform, constraints

from zoo.optim.scales import cholesky_factor as cholesky_factor
from zoo.optim.scales import factor_size as factor_size
from zoo.optim.scales import numbers_of_factor as numbers_of_factor


def correlated_normal(loc: Tensor, factor: Tensor) -> dist.TransformedDistribution:
    """N(loc, L L^T) as L e + loc: the density of a draw needs no triangular solve.

    Args:
        loc: mean, shape (..., d).
        factor: the lower-triangular L, shape (..., d, d).
    """
    base = dist.Normal(torch.zeros_like(loc), torch.ones_like(loc)).to_event(1)
    return CorrelatedNormal(base, [CholeskyAffine(loc, factor)])


class CorrelatedNormal(dist.TransformedDistribution):
    """A standard normal under a :class:`CholeskyAffine`, with its moments."""

    @property
    def mean(self) -> Tensor:
        """loc, shape (*batch, d)."""
        return self.transforms[0].loc.expand(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """The diagonal of L L^T, shape (*batch, d)."""
        return self.transforms[0].factor.square().sum(-1).expand(self._extended_shape())


class CholeskyAffine(Transform):
    """e -> L e + loc, with batches of L."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, loc: Tensor, factor: Tensor) -> None:
        super().__init__(cache_size=1)
        self.loc, self.factor = loc, factor

    def _call(self, x: Tensor) -> Tensor:
        return (self.factor @ x.unsqueeze(-1)).squeeze(-1) + self.loc

    def _inverse(self, y: Tensor) -> Tensor:
        centred = (y - self.loc).unsqueeze(-1)
        return torch.linalg.solve_triangular(self.factor, centred, upper=False).squeeze(-1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det L|, shape (...)."""
        log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_det.expand(x.shape[:-1])


class BlockAffine(CatTransform):
    """Transforms of parts of a vector, side by side, that say of the whole that it is a vector."""

    domain = constraints.real_vector  # CatTransform's own cannot check a single vector
    codomain = constraints.real_vector
