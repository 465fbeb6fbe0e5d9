"""Trains the few parameters of a model together with the best normal under them, without noise.

With F(q, theta) the ELBO on fixed draws (see :mod:`zoo.normals.dadvi`), L-BFGS climbs

    F*(theta) = max_q F(q, theta),    dF*/dtheta = dF/dtheta at the best q,

where each evaluation finds the best q anew, from the last one. Changing theta and q in turns, as
variational EM does, would creep where the two depend on each other, as the values of a Gaussian
process and the scale of its kernel do.

Source of the view that EM climbs F in q and theta: Neal & Hinton 1998, "A view of the EM algorithm
that justifies incremental, sparse, and other variants".
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from zoo.normals.dadvi import FIRST_DRAWS, IMPOSSIBLE, MORE, MOST_DRAWS, climb, fewest_draws
from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.shortfall import RISE

GROUPS = 32  # of fresh draws that the slope along the parameters is looked at with
FIRST_PAIRS, MOST_PAIRS = 32, 2048  # of draws z and -z in a group
MOST_STEPS = 200  # of L-BFGS in the parameters


@dataclass(frozen=True)
class Learnt:
    """What was found; the parameters have the values found.

    Attributes:
        normal: the best normal under the parameters, on the fixed draws.
        rise: by how much the ELBO could still rise along the parameters, nats.
        rise_se: its standard error.
        elbos: F after each step of L-BFGS in q, nats.
    """

    normal: Normal
    rise: float
    rise_se: float
    elbos: list[float]


def learn(
    density: LogDensity,
    start: Normal,
    parameters: list[nn.Parameter],
    *,
    correlated: bool,
    seed: int,
    most_steps: int,
) -> Learnt:
    """Sets parameters of a model to those of the highest ELBO.

    The draws are made more until fresh ones say that less than half of 0.02 nats is missing.

    Args:
        density: the log density.
        start: a normal that is near under the parameters as they are.
        parameters: those of its model to train, in place.
        correlated: a full covariance, or independent coordinates.
        seed: of the draws.
        most_steps: of L-BFGS in q, in all.
    """
    count, elbos = max(FIRST_DRAWS, fewest_draws(density.size, correlated)), list[float]()
    normal = start if correlated else start.without_correlations()
    while True:
        z = balanced_draws(count, density.size, seed)
        normal, path, curvature = _climbed(
            density, normal, parameters, z, most_steps - len(elbos), correlated=correlated
        )
        elbos = elbos + path
        rise, rise_se = _rise(density, normal, parameters, curvature, seed + count)
        more = min(MORE * count, MOST_DRAWS)
        if rise + 2 * rise_se < RISE / 2 or more == count or len(elbos) >= most_steps:
            return Learnt(normal, rise, rise_se, elbos)
        count = more


def _climbed(
    density: LogDensity,
    normal: Normal,
    parameters: list[nn.Parameter],
    z: Tensor,
    steps: int,
    *,
    correlated: bool,
) -> tuple[Normal, list[float], Tensor]:
    """The best normal and parameters on fixed draws, the way, and the inverse curvature of F*."""
    best, path = normal, list[float]()

    def descent(theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        _set(parameters, torch.from_numpy(theta))
        left = max(0, steps - len(path))
        found, taken = climb(density, best, best.factor, z, left, correlated=correlated)
        path.extend(taken)
        value = float(density(found.at(z)).mean()) + found.entropy
        slope = _slope(density, found.at(z), parameters)
        if not np.isfinite(value) or slope is None:
            return IMPOSSIBLE, np.zeros_like(theta)
        best = found
        return -value, -slope.numpy()

    held = nn.utils.parameters_to_vector(parameters).detach().double()
    options = {"maxiter": MOST_STEPS, "ftol": 1e-10, "gtol": 1e-4}
    found = minimize(descent, held.numpy(), jac=True, method="L-BFGS-B", options=options)
    descent(found.x)
    return best, path, torch.from_numpy(found.hess_inv.todense())


def _rise(
    density: LogDensity,
    normal: Normal,
    parameters: list[nn.Parameter],
    curvature: Tensor,
    seed: int,
) -> tuple[float, float]:
    """What the ELBO gains by one more Newton step along the parameters, and its standard error.

    Half of g^T H^-1 g for the slope g at fresh draws, the expected square of its noise taken off.
    Where the noise hides whether that is enough, there are more draws.
    """
    generator = torch.Generator().manual_seed(seed)
    units, pairs = torch.linalg.cholesky(_definite(curvature)), FIRST_PAIRS
    while True:
        slopes = []
        for _ in range(GROUPS):
            half = torch.randn(pairs, density.size, generator=generator, dtype=torch.float64)
            slope = _slope(density, normal.at(torch.cat([half, -half])), parameters)
            slopes.append(torch.full_like(curvature[0], torch.nan) if slope is None else slope)
        own = torch.stack(slopes) @ units
        mean, noise = own.mean(0), own.var(0) / GROUPS
        rise = 0.5 * float(mean.square().sum() - noise.sum())
        rise_se = float((mean.square() * noise + noise.square() / 2).sum().sqrt())
        hidden = rise - 2 * rise_se < RISE / 2 < rise + 2 * rise_se
        if not hidden or pairs >= MOST_PAIRS:
            return rise, rise_se
        pairs *= MORE


def _definite(curvature: Tensor) -> Tensor:
    """The symmetric part, with what rounding leaves of it above 0."""
    whole = (curvature + curvature.mT) / 2
    return whole + 1e-12 * float(whole.diagonal().max()) * torch.eye(len(whole)).to(whole)


def _slope(density: LogDensity, points: Tensor, parameters: list[nn.Parameter]) -> Tensor | None:
    """The mean gradient in the parameters; None where it is not finite, or the model raises."""
    try:
        found = density.slope(points, parameters)
    except (ValueError, RuntimeError):
        return None
    return found if bool(found.isfinite().all()) else None


@torch.no_grad()
def _set(parameters: list[nn.Parameter], vector: Tensor) -> None:
    """Sets parameters, of their own precision, to what stands side by side in a vector."""
    parts = vector.split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.copy_(part.reshape(parameter.shape))
