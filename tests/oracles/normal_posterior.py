"""A normal posterior of three values: the exact loss of a normal guide, and its best normals."""

import torch
from steps import EXACT

from zoo.optim.scales import cholesky_factor, positive

MEAN = torch.tensor([1.0, -2.0, 0.5])
PRECISION = torch.tensor([[4.0, 1.0, 0.3], [1.0, 0.5, 0.1], [0.3, 0.1, 9.0]])


def close(found, exact):
    error = (found - exact).norm() / exact.norm().clamp(min=1e-300)
    assert error <= EXACT, f"relative error {error}"
    return True


def loss_of(loc, numbers, precision, *, correlated):
    """Minus the ELBO of a normal posterior, but for a constant, exactly."""
    dtype = loc.dtype
    off, precision = loc - MEAN.to(dtype), precision.to(dtype)
    if correlated:
        factor = cholesky_factor(numbers, len(loc))
        spread = (factor.mT @ precision @ factor).trace() / 2
        return off @ precision @ off / 2 + spread - factor.diagonal().log().sum()
    scale = positive(numbers)
    return off @ precision @ off / 2 + precision.diagonal() @ scale**2 / 2 - scale.log().sum()


def factor_of(pair):
    size = len(pair.loc)
    numbers = pair.scale.detach()
    return cholesky_factor(numbers, size) if pair.correlated else positive(numbers).diag_embed()


def precision_of(pair):
    factor = factor_of(pair)
    return torch.linalg.inv(factor @ factor.mT)


def target_of(*, correlated):
    """E[f''] as the family sees it: all of it, or its diagonal."""
    return PRECISION if correlated else PRECISION.diagonal().diag_embed()
