"""The normal of the highest ELBO on fixed draws: the DADVI of its paper, and a long polishing run.

DADVI is written as in the paper: mean field, 30 draws of N(0, I) that stay the same, parameters
(mean, log sd), and the trust-region Newton method with conjugate gradients of SciPy, from mean 0
and log sd -3 as in the authors' experiments. It shares no code with `zoo.normals.dadvi`.

Source: Giordano, Ingram & Broderick 2024, "Black box variational inference with a deterministic
objective: faster, more accurate, and even more black box".
"""

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from benchmarks.arrival.scorer import Density
from zoo.normals.normal import Normal

PAPER_DRAWS, PAPER_LOG_SD, POLISHING_DRAWS = 30, -3.0, 16_384
MOST_STEPS = 500


def dadvi(density: Density, seed: int) -> tuple[Normal, OptimizeResult]:
    """The normal with independent coordinates that DADVI finds, and what SciPy says of it."""
    size, generator = density.size, torch.Generator().manual_seed(seed)
    z = torch.randn(PAPER_DRAWS, size, generator=generator, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        mean, log_sd = x.split(size)
        return -density.mapped(mean + log_sd.exp() * z).mean() - log_sd.sum()

    def with_gradient(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        density.evaluations += len(z)
        x = torch.from_numpy(numbers).requires_grad_()
        value = loss(x)
        (gradient,) = torch.autograd.grad(value, x)
        if not bool(value.isfinite()) or not bool(gradient.isfinite().all()):
            return np.inf, np.zeros_like(numbers)  # the step is then made shorter
        return value.item(), gradient.numpy()

    def hessian_times(numbers: np.ndarray, direction: np.ndarray) -> np.ndarray:
        density.evaluations += 2 * len(z)  # a product takes a gradient of a gradient
        x = torch.from_numpy(numbers).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x), x, create_graph=True)
        (product,) = torch.autograd.grad(gradient @ torch.from_numpy(direction), x)
        return product.numpy()

    start = np.repeat([0.0, PAPER_LOG_SD], size)
    found = minimize(with_gradient, start, jac=True, hessp=hessian_times, method="trust-ncg")
    mean, log_sd = torch.from_numpy(found.x).split(size)
    return Normal(mean, torch.diag(log_sd.exp())), found


def polished(density: Density, start: Normal, *, correlated: bool, seed: int = 0) -> Normal:
    """A better normal of the family, by L-BFGS on 16,384 fixed draws from one that is near.

    Args:
        density: the log density.
        start: the best normal so far; the coordinates in which it is N(0, I) are moved in.
        correlated: a full covariance, or independent coordinates.
        seed: of the draws.
    """
    size, generator = density.size, torch.Generator().manual_seed(seed)
    half = torch.randn(POLISHING_DRAWS // 2, size, generator=generator, dtype=torch.float64)
    z = torch.cat([half, -half])

    def place(x: Tensor) -> Normal:
        shift, log_scale, rest = x.split([size, size, len(x) - 2 * size])
        inner = torch.diag(log_scale.exp())
        if correlated:
            below = torch.tril_indices(size, size, offset=-1)
            inner = inner.index_put((below[0], below[1]), rest)
        return Normal(start.mean + start.factor @ shift, start.factor @ inner)

    def descent(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(numbers).requires_grad_()
        normal = place(x)
        points = normal.at(z)
        values, slopes = density.with_gradient(points.detach())
        log_det = normal.factor.diagonal().log().sum()
        surrogate = (points * slopes).sum() / len(z) + log_det
        (gradient,) = torch.autograd.grad(surrogate, x)
        return -float(values.mean() + log_det.detach()), -gradient.numpy()

    count = 2 * size + (size * (size - 1) // 2 if correlated else 0)
    options = {"maxiter": MOST_STEPS, "maxcor": 30, "ftol": 1e-12, "gtol": 1e-5}
    found = minimize(descent, np.zeros(count), jac=True, method="L-BFGS-B", options=options)
    return place(torch.from_numpy(found.x))
