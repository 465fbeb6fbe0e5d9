"""Several paths of Pathfinder as one mixture of their normals.

    q(u) = sum_k w_k N(u; m_k, L_k L_k^T).

The weights w are those of least KL(p || q). Draws of the mixture with equal weights get
importance weights, Pareto-smoothed; EM then finds the w that make these draws likeliest. Paths
that end at one mode share its mass, so that how many came to it does not count.

Source of the smoothing: Vehtari, Simpson, Gelman, Yao & Gabry 2024, "Pareto smoothed importance
sampling".
"""

import torch
from torch import Tensor

from zoo.metrics.pareto import smoothed
from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal
from zoo.normals.pathfinder import pathfinder, starting_points
from zoo.normals.shape import values_at
from zoo.normals.solution import Solution, paths_of

DRAWS = 1000  # of each normal
MOST_ROUNDS, STILL = 1000, 1e-9  # of EM; the largest change of a weight at its end
TRUSTED = 0.7  # k-hat
SHARE = 0.01  # weights that a note names


def multi_pathfinder(density: LogDensity, seed: int, paths: int) -> Solution:
    """The mixture of the best normals of several paths.

    Args:
        density: the log density.
        seed: of the starting points and of all draws.
        paths: how many.

    Raises:
        ValueError: if no path met a normal with a finite ELBO.
    """
    starts = starting_points(paths, density.size, seed)
    found = paths_of([pathfinder(density, start, seed=seed) for start in starts])
    normals = [path.normal for path in found]
    generator = torch.Generator().manual_seed(seed)
    weights, k_hat = best_weights(density, normals, generator)
    order = weights.argsort(descending=True)
    normals, weights = [normals[int(k)] for k in order], weights[order]
    named = ", ".join(f"{float(w):.0%}" for w in weights if w > SHARE)
    note = f"{len(found)} of {paths} paths found a normal; weights {named}"
    if k_hat > TRUSTED:
        note += f", not to be trusted, as k-hat of their draws is {k_hat:.2f}, above {TRUSTED}"
    elbo = mixture_elbo(density, normals, weights, generator)
    return Solution(tuple(normals), weights, (elbo,), tuple(found), (note,))


def best_weights(
    density: LogDensity, normals: list[Normal], generator: torch.Generator
) -> tuple[Tensor, float]:
    """The weights of least KL(p || q), and k-hat of the draws that they are computed from.

    Args:
        density: the log density log p, which need not be normalised.
        normals: the parts of the mixture, K of them.
        generator: of the draws.

    Returns:
        Weights of shape (K,), which sum to 1.
    """
    u = torch.cat([_drawn(normal, generator) for normal in normals])
    of_parts = log_densities(normals, u)
    log_w = values_at(density, u) - of_parts.logsumexp(1) + torch.tensor(len(normals)).log()
    smooth, k = smoothed(log_w[:, None])
    share = smooth[:, 0].softmax(0)
    weights = torch.full((len(normals),), 1 / len(normals), dtype=torch.float64)
    for _ in range(MOST_ROUNDS):
        now = share @ (of_parts + weights.log()).softmax(1)
        still, weights = float((now - weights).abs().max()) < STILL, now
        if still:
            break
    return weights / weights.sum(), float(k[0])


def mixture_elbo(
    density: LogDensity, normals: list[Normal], weights: Tensor, generator: torch.Generator
) -> float:
    """The ELBO of a mixture, nats, from as many draws of each part."""
    means = list[Tensor]()
    for normal in normals:
        u = _drawn(normal, generator)
        log_q = (log_densities(normals, u) + weights.log()).logsumexp(1)
        means.append((values_at(density, u) - log_q).mean())
    kept = weights > 0  # a part without weight may lie where log p is -inf
    return float((torch.stack(means)[kept] * weights[kept]).sum())


def log_densities(normals: list[Normal], u: Tensor) -> Tensor:
    """Log density of each normal at each point: u of shape (n, d) -> (n, K)."""
    found = list[Tensor]()
    for normal in normals:
        z = torch.linalg.solve_triangular(normal.factor, (u - normal.mean).mT, upper=False)
        found.append(-0.5 * z.square().sum(0) - normal.entropy + 0.5 * u.shape[1])
    return torch.stack(found, 1)


def _drawn(normal: Normal, generator: torch.Generator) -> Tensor:
    z = torch.randn(DRAWS, len(normal.mean), generator=generator, dtype=torch.float64)
    return normal.at(z)
