"""Trains the few parameters of a model together with the best normal under them, without noise.

With F(q, theta) the ELBO on fixed draws (see :mod:`zoo.normals.dadvi`), L-BFGS climbs

    F*(theta) = max_q F(q, theta),    dF*/dtheta = dF/dtheta at the best q,

where each evaluation finds the best q anew, from the last one. Changing theta and q in turns, as
variational EM does, would creep where the two depend on each other, as the values of a Gaussian
process and the scale of its kernel do.

L-BFGS moves in units in which the curvature of F along theta, at the best q, is 1 or -1. Where it
ends they are taken anew, and it goes on until a Newton step in them has nothing left to gain: a
level of 10,000 that starts at 0 is reached whatever its scale.

Source of the view that EM climbs F in q and theta: Neal & Hinton 1998, "A view of the EM algorithm
that justifies incremental, sparse, and other variants".
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from zoo.handlers.late import LateParameters
from zoo.normals.dadvi import FIRST_DRAWS, IMPOSSIBLE, MORE, MOST_DRAWS, climb, fewest_draws
from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.shortfall import RISE

GROUPS = 32  # of fresh draws that the slope along the parameters is looked at with
FIRST_PAIRS, MOST_PAIRS = 8, 2048  # of draws z and -z in a group
MOST_STEPS = 50  # of L-BFGS in the parameters, from one set of units to the next
MOST_PLACES = 200  # values of theta that are tried on the same draws
STILL = 1e-4  # nats: a Newton step that gains less on the same draws is the last
FLATTEST = 1e-8  # curvature, of 1, below which a direction counts as flat


class NotLearntError(ValueError):
    """The parameters cannot be trained in this way; says why, as a clause."""


class UnboundedError(NotLearntError):
    """The ELBO rises without end in the parameters, or is not finite where they go."""

    def __init__(self) -> None:
        super().__init__(
            "the ELBO rises without end, or is not finite, where they go, as when an sd goes to 0"
        )


@dataclass(frozen=True)
class Learnt:
    """What was found; the parameters have the values found.

    Attributes:
        normal: the best normal under the parameters, on the fixed draws.
        rise: by how much the ELBO could still rise along the parameters, nats.
        rise_se: its standard error.
        elbos: F after each step of L-BFGS in q, nats.
        inverse: the inverse curvature of F*, as L-BFGS has found it, (numbers, numbers).
    """

    normal: Normal
    rise: float
    rise_se: float
    elbos: list[float]
    inverse: Tensor


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

    Raises:
        NotLearntError: if the model meets other parameters on the way, has no second derivatives
            in these, or takes one draw at a time.
    """
    if density.one_by_one:
        raise NotLearntError("the model runs draw by draw, which would take long")
    count, elbos = max(FIRST_DRAWS, fewest_draws(density.size, correlated)), list[float]()
    normal = start if correlated else start.without_correlations()
    while True:
        z = balanced_draws(count, density.size, seed)
        search = _Search(density, normal, parameters, z, most_steps - len(elbos), correlated)
        arrived = search.run()
        elbos = elbos + search.path
        found = Learnt(search.best, 0.0, 0.0, elbos, search.inverse)
        found = measured(density, found, search.best, parameters, seed + count)
        more = min(MORE * count, MOST_DRAWS)
        enough = found.rise + 2 * found.rise_se < RISE / 2
        if enough or not arrived or more == count or len(elbos) >= most_steps:
            return found
        normal, count = search.best, more


class _Search:
    """The best normal and parameters on the same draws."""

    def __init__(
        self,
        density: LogDensity,
        normal: Normal,
        parameters: list[nn.Parameter],
        z: Tensor,
        steps: int,
        correlated: bool,  # noqa: FBT001
    ) -> None:
        self.density, self.best, self.parameters, self.z = density, normal, parameters, z
        self.steps, self.correlated = steps, correlated
        self.path, self.places, self.moved = list[float](), 0, False
        self.theta = nn.utils.parameters_to_vector(parameters).detach().double()
        self.inverse = torch.eye(len(self.theta), dtype=torch.float64)

    def run(self) -> bool:
        """Climbs until a Newton step gains nothing; False if places or steps came to an end."""
        value, slope = self._at(self.theta)
        if slope is None:
            raise NotLearntError("the ELBO or its slope is not finite where they begin")
        while True:
            units = self._units()
            gain = 0.5 * float((units.mT @ slope).square().sum())
            if gain < STILL:
                return True
            if self.places >= MOST_PLACES or len(self.path) >= self.steps:
                return False
            before = value
            value, slope = self._climb(units)
            if value < before + STILL / 10:
                return gain < RISE / 2

    def _climb(self, units: Tensor) -> tuple[float, Tensor]:
        """L-BFGS in these units, from the parameters as they are."""
        from scipy.optimize import minimize

        origin = self.theta
        kept = {"x": np.zeros(len(origin))}

        def descent(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self._at(origin + units @ torch.from_numpy(x))
            if slope is None:
                return IMPOSSIBLE, np.zeros_like(x)
            return -value, -(units.mT @ slope).numpy()

        def keep(x: np.ndarray) -> None:
            kept["x"] = x.copy()
            if self.places >= MOST_PLACES or len(self.path) >= self.steps:
                raise StopIteration

        options = {"maxiter": MOST_STEPS, "ftol": 1e-12, "gtol": 1e-3}
        found = minimize(
            descent, kept["x"], jac=True, method="L-BFGS-B", callback=keep, options=options
        )
        if found.nit >= len(origin):  # enough steps to have seen the curvature of F*
            inner = torch.from_numpy(found.hess_inv.todense())
            self.inverse = units @ inner @ units.mT
        self.theta = origin + units @ torch.from_numpy(kept["x"])
        self.moved = True
        value, slope = self._at(self.theta)
        if slope is None:
            raise UnboundedError
        return value, slope

    def _at(self, theta: Tensor) -> tuple[float, Tensor | None]:
        """F* and its slope; no slope where they are not finite, or the model raises."""
        self.places += 1
        _set(self.parameters, theta)
        left = max(0, self.steps - len(self.path))
        density, best = self.density, self.best
        found, taken = climb(density, best, best.factor, self.z, left, correlated=self.correlated)
        self.path.extend(taken)
        value = float(density(found.at(self.z)).mean()) + found.entropy
        with LateParameters(density.program.store, density.program):
            slope = _slope(density, found.at(self.z), self.parameters)
        if density.program.store.late:
            name = density.program.store.names[-1]
            raise NotLearntError(f"the statement '{name}' was met only after these had moved")
        if not np.isfinite(value):
            return value, None
        if slope is not None:
            self.best = found
        return value, slope

    def _units(self) -> Tensor:
        try:
            return _units(_curvature(self.density, self.best.at(self.z), self.parameters))
        except NotLearntError as error:
            if self.moved:
                raise UnboundedError from error
            raise


def measured(
    density: LogDensity,
    learnt: Learnt,
    normal: Normal,
    parameters: list[nn.Parameter],
    seed: int,
) -> Learnt:
    """What was learnt, with what the ELBO gains by a Newton step along the parameters.

    Half of g^T H^-1 g for the slope g at fresh draws of a normal, the expected square of its noise
    taken off; the larger one of that with the curvature at this normal, and with that of F*. Where
    the noise hides whether it is little enough, there are more draws.
    """
    generator = torch.Generator().manual_seed(seed)
    few = torch.randn(FIRST_DRAWS, density.size, generator=generator, dtype=torch.float64)
    each = [_units(_curvature(density, normal.at(few), parameters))]
    each.append(torch.linalg.cholesky(_definite(learnt.inverse)))
    pairs = FIRST_PAIRS
    while True:
        slopes = []
        for _ in range(GROUPS):
            half = torch.randn(pairs, density.size, generator=generator, dtype=torch.float64)
            slope = _slope(density, normal.at(torch.cat([half, -half])), parameters)
            slopes.append(torch.full_like(each[0][0], torch.nan) if slope is None else slope)
        rise, rise_se = max(_gained(torch.stack(slopes) @ units) for units in each)
        hidden = rise - 2 * rise_se < RISE / 4 < rise + 2 * rise_se
        if not hidden or pairs >= MOST_PAIRS:
            return replace(learnt, normal=normal, rise=rise, rise_se=rise_se)
        pairs *= MORE


def _gained(slopes: Tensor) -> tuple[float, float]:
    """Half the square of the mean slope, in units of the curvature, and its standard error."""
    mean, noise = slopes.mean(0), slopes.var(0) / len(slopes)
    rise = 0.5 * float(mean.square().sum() - noise.sum())
    return rise, float((mean.square() * noise + noise.square() / 2).sum().sqrt())


def _units(curvature: Tensor) -> Tensor:
    """Directions, as columns, along which the curvature is 1 or -1, or next to 0."""
    size = curvature.diagonal().abs()
    own = torch.where(size > 0, size, torch.ones_like(size)).rsqrt()
    level, axes = torch.linalg.eigh(own[:, None] * curvature * own)
    return own[:, None] * axes * level.abs().clamp(min=FLATTEST).rsqrt()


def _curvature(density: LogDensity, points: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """Minus the second derivatives of the mean log density in the parameters."""
    try:
        found = density.curvature(points, parameters)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotLearntError(f"the model has no second derivatives in them: {line}") from error
    if not bool(found.isfinite().all()):
        raise NotLearntError("the model's second derivatives in them are not finite")
    return (found + found.mT) / 2


def _definite(inverse: Tensor) -> Tensor:
    """The symmetric part, with what rounding leaves of it above 0."""
    whole = (inverse + inverse.mT) / 2
    level, axes = torch.linalg.eigh(whole)
    return (axes * level.clamp(min=1e-12 * float(level.max()))) @ axes.mT


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
