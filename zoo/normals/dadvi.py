"""DADVI: the normal of the highest ELBO on fixed draws, by L-BFGS, without noise.

For draws z_1 .. z_n of N(0, I) that stay the same, the ELBO of q = N(m, L L^T)

    F(m, L) = 1/n sum_i log p(m + L z_i) + sum_j log L_jj + const

is an ordinary function, which L-BFGS brings to its maximum. It moves in the coordinates of a
normal N(m_0, L_0 L_0^T) that is near already,

    m = m_0 + L_0 a,    L = L_0 C   (full rank)   or   L_jj = s_j exp(b_j)   (mean field),

in which the curvature of F is about 1 in every direction, whatever the units of the data. The
maximum on n draws is not that of the true ELBO; :mod:`zoo.normals.shortfall` says how far it is,
and the draws are made more until that is little enough to see.

Departs from the paper: full-rank normals are taken too, with draws that are symmetric and have the
right second moments, so that a Gaussian posterior is met exactly by n > 4 d of them; and L-BFGS in
whitened coordinates takes the place of a trust-region method with Hessian-vector products.

Source: Giordano, Ingram & Broderick 2024, "Black box variational inference with a deterministic
objective: faster, more accurate, and even more black box".
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.shortfall import Shortfall, shortfall

FIRST_DRAWS, MORE, MOST_DRAWS = 64, 4, 16_384
HISTORY = 20
MOST_STEPS = 300
LARGE_RISE = 0.2  # nats
IMPOSSIBLE = 1e300  # -F where it is not finite


@dataclass(frozen=True)
class Best:
    """The normal that was found, and how far it may be from the best one.

    Attributes:
        normal: the normal.
        shortfall: how much its ELBO could still rise, and its parameters still move.
        elbos: F after each step of L-BFGS, nats; on other draws after each change of their number.
        draws: number of fixed draws at the end.
    """

    normal: Normal
    shortfall: Shortfall
    elbos: list[float]
    draws: int


def dadvi(
    density: LogDensity,
    start: Normal,
    *,
    correlated: bool,
    tolerance: float = 0.05,
    seed: int = 0,
    most_steps: int = 10_000,
) -> Iterator[Best]:
    """The normal of the highest ELBO, from a normal that is near.

    Yields what was found with each number of draws. The last one has arrived, or the draws or the
    steps have come to their end.

    Args:
        density: the log density.
        start: where to begin, and the coordinates to move in.
        correlated: a full covariance, or independent coordinates.
        tolerance: how far a parameter may still have to move, in sds of the normal.
        seed: of the draws.
        most_steps: of L-BFGS, in all.
    """
    normal, before = start if correlated else start.without_correlations(), None
    count, elbos = max(FIRST_DRAWS, fewest_draws(density.size, correlated)), list[float]()
    for attempt in itertools.count(1):
        z = balanced_draws(count, density.size, seed)
        frame = normal.factor if correlated else start.factor
        left = min(MOST_STEPS, most_steps - len(elbos))
        normal, path = climb(density, normal, frame, z, left, correlated=correlated)
        elbos = elbos + path
        rest = shortfall(
            density, normal, correlated=correlated, tolerance=tolerance, seed=seed + attempt
        )
        yield Best(normal, rest, elbos, count)
        more = min(MORE * count, MOST_DRAWS)
        over = more == count or len(elbos) >= most_steps
        if rest.reached(tolerance) or over or _is_stuck(before, rest):
            return
        count, before = more, rest


def _is_stuck(before: Shortfall | None, now: Shortfall) -> bool:
    """Did more draws leave the same large rise, as gradients that lead nowhere do?"""
    if before is None or min(before.rise, now.rise) < LARGE_RISE:
        return False
    return abs(now.rise - before.rise) < 2 * (now.rise_se + before.rise_se)


def fewest_draws(size: int, correlated: bool) -> int:  # noqa: FBT001
    """Draws that determine a covariance of that many coordinates, an even number."""
    return 4 * size + 2 if correlated else 2


def climb(
    density: LogDensity, normal: Normal, frame: Tensor, z: Tensor, steps: int, *, correlated: bool
) -> tuple[Normal, list[float]]:
    """L-BFGS on fixed draws z, shape (n, d); the mean moves along the columns of `frame`.

    Args:
        density: the log density.
        normal: where to begin.
        frame: directions in which the curvature is about 1, shape (d, d).
        z: the draws of N(0, I).
        steps: the most to take.
        correlated: a full covariance, or independent coordinates.

    Returns:
        The best normal on these draws, and the ELBO on them after each step.
    """
    from scipy.optimize import minimize

    size, below = density.size, torch.tril_indices(density.size, density.size, offset=-1)
    path, last = list[float](), [np.nan]

    def place(x: Tensor) -> Normal:
        mean, scale = normal.mean + frame @ x[:size], x[size : 2 * size].exp()
        if not correlated:
            return Normal(mean, torch.diag(normal.factor.diagonal() * scale))
        inner = torch.diag(scale)
        inner[below[0], below[1]] = x[2 * size :]
        return Normal(mean, normal.factor @ inner)

    def descent(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(numbers)
        here = place(x)
        values, slopes = density.with_gradient(here.at(z))
        value = float(values.mean()) + here.entropy
        if not np.isfinite(value) or not bool(slopes.isfinite().all()):
            return IMPOSSIBLE, np.zeros_like(numbers)
        last[0] = value
        to_mean = frame.mT @ slopes.mean(0)
        if correlated:
            outer = normal.factor.mT @ (slopes.mT @ z) / len(z)
            to_scale = outer.diagonal() * x[size : 2 * size].exp() + 1
            rest = [outer[below[0], below[1]]]
        else:
            to_scale = here.factor.diagonal() * (slopes * z).mean(0) + 1
            rest = []
        return -value, -torch.cat([to_mean, to_scale, *rest]).numpy()

    count = 2 * size + (below.shape[1] if correlated else 0)
    options = {"maxiter": steps, "maxcor": HISTORY, "ftol": 1e-10, "gtol": 1e-4}
    found = minimize(
        descent,
        np.zeros(count),
        jac=True,
        method="L-BFGS-B",
        callback=lambda _: path.append(last[0]),
        options=options,
    )
    return place(torch.from_numpy(found.x)), path
