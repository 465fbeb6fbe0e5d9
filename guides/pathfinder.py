"""Pathfinder: the best normal on the way of L-BFGS towards a mode.

    q(z) = T( N(u; m, L L^T) ),   m = u_l + H_l grad f(u_l),   L L^T = H_l,

where u_l is a point of the path of L-BFGS, H_l the inverse Hessian that its steps show, and l that
of the highest ELBO. Unlike Laplace's, it needs no mode: where the density has none, the best
normal lies before the path runs off.

Departs from the paper: see :mod:`zoo.normals.pathfinder`; q is the best normal of several paths.

Parameters: d + d (d + 1) / 2 for d unconstrained values; no steps train them.
Source: Zhang, Carpenter, Gelman & Vehtari 2022, "Pathfinder: parallel quasi-Newton variational
inference".
Topic: Latents that all rows share.
"""

from typing import ClassVar

from guides.solved import SolvedNormal
from zoo.checks.arguments import whole
from zoo.latents import Latents


class Pathfinder(SolvedNormal):
    """The normal of the highest ELBO on several paths of L-BFGS.

    Args:
        latents: the latents to cover.
        paths: how many; the first begins at 0, the others anywhere in [-2, 2]^d.

    Example:
        Centred eight schools has no mode, and yet a best normal on the way:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.Pathfinder)
        >>> fit.backend, bool(fit.losses[-1] < 50)
        ('pathfinder', True)
    """

    solver: ClassVar[str | None] = "pathfinder"

    def __init__(self, latents: Latents, paths: int = 4) -> None:
        super().__init__(latents)
        self.paths = whole("paths", paths, way="Pass e.g. paths=4.")

    @property
    def options(self) -> dict[str, int]:
        """The number of paths."""
        return {"paths": self.paths}
