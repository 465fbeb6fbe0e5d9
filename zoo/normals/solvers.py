"""The methods that find a guide's q without steps of an optimizer, by name."""

from collections.abc import Callable

from zoo.normals.laplace import laplace
from zoo.normals.log_density import LogDensity
from zoo.normals.mixing import multi_pathfinder
from zoo.normals.pathfinder import pathfinder, starting_points
from zoo.normals.score_matching import score_matched
from zoo.normals.solution import Solution, paths_of


def best_of_paths(density: LogDensity, seed: int, paths: int) -> Solution:
    """The best normal of several paths of Pathfinder.

    Args:
        density: the log density.
        seed: of the starting points and of the draws that the ELBO is computed from.
        paths: how many.

    Raises:
        ValueError: if no path met a normal with a finite ELBO.
    """
    starts = starting_points(paths, density.size, seed)
    found = paths_of([pathfinder(density, start, seed=seed) for start in starts])
    return Solution.of_one(found[0].normal, [found[0].elbo], found)


SOLVERS: dict[str, Callable[..., Solution]] = {
    "laplace": laplace,
    "pathfinder": best_of_paths,
    "multi_pathfinder": multi_pathfinder,
    "score_matched": score_matched,
}
