"""A normal with full covariance whose scores match those of the posterior: batch and match.

    q(z) = T( N(u; m, L L^T) ),   grad log q(u) as near to grad f(u) as can be at draws u of q,
    f(u) = log p(x, T(u)) + log |dT/du|.

The distance is E_q |grad log q - grad f|^2 in the units of q's covariance. It needs first
derivatives alone, and each step is in closed form (:mod:`zoo.normals.score_matching`). It begins
at Pathfinder's best normal. q is exact where the posterior of u is normal. Elsewhere q is not the
normal of the highest ELBO, which `full_rank` looks for, and where the tails of the posterior fall
much more slowly or faster than a normal's it can be far from it; a note says if the ELBO fell.
Of several modes it covers the one that Pathfinder's best path ended in.

Departs from the paper: the draws of N(0, I) behind each batch stay the same.

Parameters: d + d (d + 1) / 2 for d unconstrained values; no steps of an optimizer train them.
Source: Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei & Saul 2024, "Batch and match: black-box
variational inference with a score-based divergence".
Topic: Latents that all rows share.
"""

from typing import ClassVar

from guides.solved import SolvedNormal
from zoo.checks.arguments import whole
from zoo.latents import Latents


class ScoreMatched(SolvedNormal):
    """The normal that batch and match comes to from Pathfinder's best.

    Args:
        latents: the latents to cover.
        paths: of Pathfinder, whose best normal is the start.
        steps: of batch and match, the most; it ends when they move nothing any more.

    Example:
        The posterior of a normal mean is normal, and a few steps find it:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("linear_regression"), guides.ScoreMatched)
        >>> fit.backend, len(fit.losses) < 10
        ('score_matched', True)
    """

    solver: ClassVar[str | None] = "score_matched"

    def __init__(self, latents: Latents, paths: int = 4, steps: int = 100) -> None:
        super().__init__(latents)
        self.paths = whole("paths", paths, way="Pass e.g. paths=4.")
        self.steps = whole("steps", steps, way="Pass e.g. steps=100.")

    @property
    def options(self) -> dict[str, int]:
        """The number of paths, and the most steps."""
        return {"paths": self.paths, "steps": self.steps}
