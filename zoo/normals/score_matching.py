"""Batch and match: the normal whose scores agree with those of the density.

A score is the gradient of a log density. For z_1 .. z_B of q = N(m, S) with mean z' and covariance
C, and scores g_b of log p at them with mean g' and covariance G, a step goes to the normal of
least

    lambda / 2 D(p, q_new) + KL(q || q_new),    D = mean_b |g_b - grad log q_new(z_b)|^2_{S_new},

which is known in closed form:

    S_new U S_new + S_new = V,    m_new = (m + lambda (S_new g' + z')) / (1 + lambda),
    U = lambda G + lambda / (1 + lambda) g' g'^T,
    V = S + lambda C + lambda / (1 + lambda) (m - z') (m - z')^T.

A normal density has scores -P (z - m): it solves these equations for any z and any lambda.

Departs from the paper: z_b = m + L e_b with the same balanced draws e_b of N(0, I) at every step,
so that the steps come to rest and their number need not be guessed; and lambda stays 2, where the
paper's falls with the steps from B d, which made some posteriors swing between two normals.

Source: Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei & Saul 2024, "Batch and match: black-box
variational inference with a score-based divergence", algorithm 1.
"""

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws, elbo
from zoo.normals.pathfinder import pathfinder, starting_points
from zoo.normals.solution import Solution, paths_of

FEWEST_DRAWS, MOST_DRAWS, FOR_EACH = 128, 4096, 32  # B; draws for each coordinate
RATE = 2.0  # lambda
STILL, NOTED = 1e-6, 0.01  # sds that a whole step still moves at rest; that a note names
ELBO_DRAWS = 512
LOWER = 0.1  # nats below the start that a note names


def score_matched(density: LogDensity, seed: int, paths: int, steps: int) -> Solution:
    """The normal that batch and match comes to from Pathfinder's best.

    Args:
        density: the log density.
        seed: of the starting points and of all draws.
        paths: of Pathfinder.
        steps: the most to take.

    Raises:
        ValueError: if no path met a normal with a finite ELBO.
    """
    starts = starting_points(paths, density.size, seed)
    found = paths_of([pathfinder(density, start, seed=seed) for start in starts])
    count = max(FEWEST_DRAWS, min(MOST_DRAWS, FOR_EACH * density.size), 4 * density.size + 2)
    e = balanced_draws(count, density.size, seed)
    normal, elbos, note = match(density, found[0].normal, e, steps)
    others = balanced_draws(ELBO_DRAWS, density.size, seed + 1)
    before, after = elbo(density, found[0].normal, others), elbo(density, normal, others)
    notes = [note] if note else []
    if not after > before - LOWER:
        notes.append(
            f"the normal whose scores match has an ELBO of {after:.4g} nats, below the "
            f"{before:.4g} of Pathfinder's best, where it began; use pathfinder or full_rank"
        )
    return Solution.of_one(normal, [*elbos, after], found, *notes)


def match(
    density: LogDensity, normal: Normal, e: Tensor, steps: int
) -> tuple[Normal, list[float], str]:
    """Steps of batch and match on fixed draws e of N(0, I), shape (B, d), until they rest.

    Returns:
        The last normal; the ELBO before each step, nats, from these draws; and why the steps
        ended before they came to rest, "" if they did or nearly did.
    """
    elbos, left = list[float](), float("inf")
    for step in range(1, steps + 1):
        values, scores = density.with_gradient(normal.at(e))
        kept = values.isfinite() & scores.isfinite().all(1)
        elbos.append(float(values.mean()) + normal.entropy)
        shift, factor = update(e[kept], scores[kept] @ normal.factor, RATE)
        if not bool(kept.any() and shift.isfinite().all() and (factor.diagonal() > 0).all()):
            return normal, elbos, f"score matching stopped at step {step}: its scores overflow"
        normal = Normal(normal.mean + normal.factor @ shift, normal.factor @ factor)
        moved = torch.cat([shift, (factor - torch.eye(len(shift)).to(factor)).reshape(-1)])
        left = float(moved.abs().max()) * (1 + RATE) / RATE
        if left < STILL:
            break
    note = f"score matching still moved by {left:.2g} sds after {steps} steps"
    return normal, elbos, note if left > NOTED else ""


def update(z: Tensor, scores: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """One step in the coordinates in which the normal so far is N(0, I).

    With V = R R^T and R^T U R = Q diag(w) Q^T, the covariance is R Q diag(s) Q^T R^T, where
    w s^2 + s = 1.

    Args:
        z: the batch, shape (B, d).
        scores: of log p there, shape (B, d).
        rate: lambda; the larger, the farther the step goes.

    Returns:
        The new mean, shape (d,), and the new lower-triangular factor, shape (d, d); nan if
        numbers overflow.
    """
    share, size = rate / (1 + rate), z.shape[1]
    of_z, of_scores = z.mean(0), scores.mean(0)
    u = rate * _covariance(scores) + share * torch.outer(of_scores, of_scores)
    v = torch.eye(size).to(z) + rate * _covariance(z) + share * torch.outer(of_z, of_z)
    if not bool(u.isfinite().all() and v.isfinite().all()):
        return torch.full_like(of_z, torch.nan), torch.full_like(v, torch.nan)
    root = torch.linalg.cholesky(v)
    w, axes = torch.linalg.eigh(root.mT @ u @ root)
    s = 2 / (1 + (1 + 4 * w.clamp(min=0)).sqrt())
    across = root @ axes
    covariance = (across * s) @ across.mT
    factor, failed = torch.linalg.cholesky_ex(covariance)
    mean = share * (covariance @ of_scores + of_z)
    return mean, factor if not bool(failed) else torch.full_like(factor, torch.nan)


def _covariance(x: Tensor) -> Tensor:
    """The covariance of rows: (B, d) -> (d, d)."""
    apart = x - x.mean(0)
    return apart.mT @ apart / len(x)
