"""Has a posterior several modes? What the paths of Pathfinder show together.

Each path's end is climbed to its mode. Two modes are separate if the log density falls by more
than 2 nats between them: on the straight line, and on ways that are bent where the line is
lowest, towards the highest point of the plane across it, so that a curved ridge is not taken for
two modes. Of each mode the evidence is estimated by importance sampling from the normal of its
curvature.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.pathfinder import Path
from zoo.normals.shape import (
    Difficulty,
    climb,
    columns_of,
    conditional_sd,
    listed,
    negative_hessians,
    values_at,
)

HOPELESS = 15.0  # nats of ELBO below the best path
VALLEY = 2.0  # nats between two modes
SMALLEST = 0.01  # share of the evidence of a mode that is named
NEAR = 1.0  # sds: modes nearer than this are one
APART = 2.0  # sds: a latent differs if one of its numbers does by more
DRAWS = 256
LINE = 33  # points on the line between two modes
BENDS = 3  # times that each part of a way between two modes is bent
EQUAL = 0.02  # nats between the log densities of two modes that are mirror images
MANY = 4  # paths that each end in a mode of its own
NAMED = 4  # weights that are written out

Form = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Mode:
    """A mode: its place and log density, the normal of its curvature, its evidence in nats."""

    point: Tensor
    value: float
    normal: Normal
    evidence: float


def several_modes(density: LogDensity, paths: list[Path], seed: int) -> Difficulty | None:
    """Says how many modes the paths ended in, and with what weights; None if in one.

    Costs about 50 evaluations for each path, and 300 + 2 d for each mode.

    Args:
        density: the log density.
        paths: of Pathfinder, from several starting points.
        seed: of the draws.
    """
    modes = _modes(density, paths, seed)
    if len(modes) < 2:
        return None
    weights = torch.softmax(torch.tensor([mode.evidence for mode in modes]), 0).tolist()
    kept = [(m, w) for m, w in zip(modes, weights, strict=True) if w > SMALLEST]
    more = len(modes) == len(paths) >= MANY and len(kept) < 2
    kept = list(zip(modes, weights, strict=True)) if more else kept
    if len(kept) < 2:
        return None
    kept.sort(key=lambda pair: -pair[1])
    first, others = kept[0][0], [mode for mode, _ in kept[1:]]
    names = _differing(density, first, others)
    shown = ", ".join(f"{weight:.0%}" for _, weight in kept[:NAMED])
    shown += ", ..." if len(kept) > NAMED else ""
    count = f"at least {len(kept)} modes, of weights {shown}"
    if more:  # each light beside the heaviest, and together perhaps not
        count = f"more modes than the {len(paths)} paths that looked, each of which found its own"
    return Difficulty(
        "multimodal",
        f"The posterior has {count}, which differ in {listed(names)}; a normal covers one of "
        f"them. {_advice(density, first, others, names)}",
    )


def _advice(density: LogDensity, first: _Mode, others: list[_Mode], names: list[str]) -> str:
    same = all(abs(first.value - other.value) < EQUAL for other in others)
    if same and all(_mirrors(density, first, other, names, _ordered) for other in others):
        return (
            "They are the same but for the order of their numbers (label switching): make the "
            "order part of the model, by a support such as constraints.ordered_vector, or use "
            "only what does not depend on the labels."
        )
    if same and all(_mirrors(density, first, other, names, torch.abs) for other in others):
        return (
            "They are the same but for signs: fix a sign by a positive prior such as HalfNormal "
            "for one of the numbers, or use only what does not depend on the sign."
        )
    return (
        "Use a guide that is no normal, such as guides.IAF, or fit from each of several starting "
        "points and weight the fits by their evidence."
    )


def _ordered(values: Tensor) -> Tensor:
    return values.flatten().sort().values


def _mirrors(density: LogDensity, a: _Mode, b: _Mode, names: list[str], form: Form) -> bool:
    """Do the latents of two modes agree in a form that forgets the labels, or the sign?"""
    pair = torch.stack([a.point, b.point])[:, None].to(torch.get_default_dtype())
    values = density.joint.values(pair.to(density.device))
    return all(
        torch.allclose(form(values[n][0]), form(values[n][1]), rtol=0.02, atol=0.02) for n in names
    )


def _modes(density: LogDensity, paths: list[Path], seed: int) -> list[_Mode]:
    """The separate modes that the paths ended in."""
    best = max((path.elbo for path in paths), default=0.0)
    modes: list[_Mode] = []
    for path in sorted(paths, key=lambda path: -path.elbo):
        if path.elbo < best - HOPELESS:
            continue
        scale = conditional_sd(path.normal)
        top = climb(density, path.normal.mean, scale)
        if not top.arrived or any(_near(top.point, other) for other in modes):
            continue
        normal = _of_curvature(density, top.point, scale) or replace(path.normal, mean=top.point)
        found = _Mode(top.point, top.value, normal, _evidence(density, normal, seed))
        if all(_separate(density, found, other, modes, seed) for other in modes):
            modes.append(found)
    return modes


def _of_curvature(density: LogDensity, point: Tensor, scale: Tensor) -> Normal | None:
    """Laplace's normal; None if the curvature is not positive in every direction."""
    hessian = negative_hessians(density, point[None], scale)[0]
    factor, failed = torch.linalg.cholesky_ex(hessian)
    if int(failed) or not bool(factor.isfinite().all()):
        return None
    inverse, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(factor))
    return None if int(failed) else Normal(point, scale[:, None] * inverse)


def _evidence(density: LogDensity, normal: Normal, seed: int) -> float:
    """Log of the mean weight of draws from a normal, nats."""
    z = balanced_draws(DRAWS, density.size, seed)
    log_q = -0.5 * (z.square().sum(1) - density.size) - normal.entropy
    weights = values_at(density, normal.at(z)) - log_q
    return float(weights.logsumexp(0)) - float(torch.tensor(DRAWS).log())


def _distance(point: Tensor, mode: _Mode) -> float:
    """In sds of the normal at a mode (Mahalanobis' distance)."""
    step = (point - mode.point)[:, None]
    return float(torch.linalg.solve_triangular(mode.normal.factor, step, upper=False).norm())


def _near(point: Tensor, mode: _Mode) -> bool:
    return _distance(point, mode) < NEAR


def _separate(density: LogDensity, a: _Mode, b: _Mode, known: list[_Mode], seed: int) -> bool:
    """Is there a valley between two modes, on every way?"""
    level = min(a.value, b.value) - VALLEY
    others = [mode for mode in known if mode is not b]
    scale, ends = conditional_sd(a.normal), (a.point, b.point)
    return not _joined(density, ends, scale, level, others, seed, BENDS)


def _joined(
    density: LogDensity,
    ends: tuple[Tensor, Tensor],
    scale: Tensor,
    level: float,
    others: list[_Mode],
    seed: int,
    bends: int,
) -> bool:
    """Does a way between two points stay above a level: a straight one, or one with bends?

    A bend is the highest point of the plane across the line where the line is lowest. The way
    through it has to stay above the level too: with many modes that point is on another mode.
    """
    start, end = ends
    shares = torch.linspace(0, 1, LINE, dtype=torch.float64)[:, None]
    line = start + shares * (end - start)
    values = values_at(density, line)
    lowest = int(values.argmin())
    if float(values[lowest]) > level:
        return True
    across = (end - start) / scale
    across = across / across.norm()
    generator = torch.Generator().manual_seed(seed)
    aside = torch.randn(density.size, generator=generator, dtype=torch.float64)
    aside = scale * (aside - (aside @ across) * across)
    ridge = climb(density, line[lowest] + aside, scale, across=across)
    if bends == 0 or ridge.value < level or any(_near(ridge.point, mode) for mode in others):
        return False
    halves = ((start, ridge.point), (ridge.point, end))
    return all(_joined(density, half, scale, level, others, seed, bends - 1) for half in halves)


def _differing(density: LogDensity, first: _Mode, others: list[_Mode]) -> list[str]:
    """Latents of which a number differs between the first mode and another."""
    steps = [(mode.point - first.point).abs() / first.normal.sd for mode in others]
    moved = torch.stack(steps).amax(0)
    limit = min(APART, float(moved.max()))
    return [n for n, c in columns_of(density).items() if bool((moved[c] >= limit).any())]
