"""Why does a normal fall short of a posterior? Each reason is named, with what to do about it.

The kinds, and the files that find them:

- "dependent support": the support of a site moves with the latents (`edges.py`);
- "no mode" and "flat": the density rises without end, or does not fall (`plateaus.py`);
- "multimodal": several separate modes hold the mass (`modes.py`);
- "funnel": the widths of some latents change with another one (`funnels.py`);
- "heavy tails": too much mass lies beyond 4 sds of a normal (`tails.py`).

Each compares with what a normal would show. The limits are far from what regressions, rates,
proportions and hyperparameters show where data determine them well. An empty list is no proof: a
mode that no path found stays unseen.
"""

import torch

from zoo.normals.edges import dependent_support
from zoo.normals.funnels import funnel
from zoo.normals.log_density import LogDensity
from zoo.normals.modes import several_modes
from zoo.normals.normal import Normal
from zoo.normals.pathfinder import Path
from zoo.normals.plateaus import plateaus
from zoo.normals.shape import Difficulty
from zoo.normals.tails import heavy_tails

__all__ = ["Difficulty", "difficulties"]


def difficulties(
    density: LogDensity, normal: Normal | None, paths: list[Path], seed: int = 0
) -> list[Difficulty]:
    """What about a posterior makes any normal fall short; empty if nothing was found.

    Call it as the density itself, inside :func:`zoo.isolation.isolated`. It costs about 1,000 to
    4,000 evaluations of the density for up to 20 latent numbers, nearly all in large batches.

    Args:
        density: the log density of the model.
        normal: the normal that was fitted, or the best of Pathfinder's; None if there is none,
            because no path met a normal with a finite ELBO. N(0, I) stands in for it.
        paths: of Pathfinder from several starting points; with fewer than two nothing can be
            said about several modes.
        seed: of all draws.
    """
    if normal is None:
        size = density.size
        normal = Normal(torch.zeros(size).double(), torch.eye(size, dtype=torch.float64))
    edge = dependent_support(density, normal, seed)
    if edge is not None:
        return [edge]
    level = plateaus(density, normal)
    if level is not None and level.kind == "flat":
        return [level]
    several = several_modes(density, paths, seed) if level is None else None
    narrowing = funnel(density, normal)
    found = [one for one in (level, several, narrowing) if one is not None]
    heavy = None if found else heavy_tails(density, normal, seed)
    return found if heavy is None else [heavy]
