"""Laplace's approximation: the normal of the curvature at the mode.

    q(z) = T( N(u; m, H^-1) ),   m a maximum of f,   H = -d^2 f / du du^T at m,
    f(u) = log p(x, T(u)) + log |dT/du|.

Mode and curvature are those of the unconstrained values u: the mode of another parametrisation
lies elsewhere. q is exact where the posterior of u is normal. It does not maximise the ELBO, so
that `full_rank` has an ELBO at least as high.

Parameters: d + d (d + 1) / 2 for d unconstrained values; no steps train them.
Source: Tierney & Kadane 1986, "Accurate approximations for posterior moments and marginal
densities"; MacKay 2003, "Information theory, inference, and learning algorithms", chapter 27.
Topic: Latents that all rows share.
"""

from typing import ClassVar

from guides.solved import SolvedNormal
from zoo.checks.arguments import whole
from zoo.latents import Latents


class Laplace(SolvedNormal):
    """A normal at a mode, with the inverse curvature there as covariance.

    It is the highest of the modes that the starts lead to, which need not be the highest of all,
    nor that of the most mass.

    Args:
        latents: the latents to cover.
        starts: points from which L-BFGS climbs; the highest mode that they reach is taken.

    Raises:
        ValueError: if fitted where the posterior has no mode, as a centred hierarchical model has
            none; or where the curvature is not positive in every direction.

    Example:
        The posterior of a normal mean is normal, so that the bound is the exact evidence:

        >>> import guides, torch, zoo
        >>> task = zoo.load("linear_regression")
        >>> fit = zoo.fit(task, guides.Laplace)
        >>> gap = fit.model.log_evidence(*task.split("train")) + fit.losses[-1]
        >>> bool(gap.abs() < 1e-3)
        True
    """

    solver: ClassVar[str | None] = "laplace"

    def __init__(self, latents: Latents, starts: int = 4) -> None:
        super().__init__(latents)
        self.starts = whole("starts", starts, way="Pass e.g. starts=4.")

    @property
    def options(self) -> dict[str, int]:
        """The number of starts."""
        return {"starts": self.starts}
