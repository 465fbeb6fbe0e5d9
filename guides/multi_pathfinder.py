"""Multi-path Pathfinder: a mixture of the best normals of several paths of L-BFGS.

    q(z) = T( sum_k w_k N(u; m_k, L_k L_k^T) ),   w = argmin KL(p || q).

Each path gives the normal of the highest ELBO on its way (:mod:`guides.pathfinder`). Where paths
end at several modes, q covers these, with weights that importance sampling gives them. A mode that
no path ends in is not covered, and its mass is not seen: the starts lie in [-2, 2]^d.

Departs from the paper: the paper's result is a set of draws, resampled by Pareto-smoothed
importance weights, which has no density. Here the mixture itself is the guide, so that bounds and
k-hat hold; the smoothed weights set its w, and importance-weighted metrics and draws do the rest.
The weights are of draws from the whole mixture, where the paper weighs those of each path alone.

Parameters: K (1 + d + d (d + 1) / 2) for K paths and d unconstrained values; no steps train them.
Source: Zhang, Carpenter, Gelman & Vehtari 2022, "Pathfinder: parallel quasi-Newton variational
inference", algorithm 2.
Topic: Latents that all rows share.
"""

from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.parts.cholesky import cholesky_factor, factor_size, numbers_of_factor
from guides.parts.joint import sample_jointly
from guides.solved import Solved
from zoo.checks.arguments import whole
from zoo.latents import Latents

LEAST = 1e-30  # weight of a part, so that its logarithm is finite


class MultiPathfinder(Solved):
    """A mixture of full-rank normals, one for each path.

    Args:
        latents: the latents to cover.
        paths: K, how many; the first begins at 0, the others anywhere in [-2, 2]^d.

    Example:
        A number whose square is known has two modes, and each gets half of the mass:

        >>> import guides, pyro, pyro.distributions as dist, torch, zoo
        >>> def square():
        ...     z = pyro.sample("z", dist.Normal(0.0, 2.0))
        ...     pyro.sample("y", dist.Normal(z**2, 1.0), obs=torch.tensor(9.0))
        >>> fit = zoo.fit(square, guides.MultiPathfinder)
        >>> weights, means = fit.guide.logits.softmax(0), fit.guide.loc[:, 0]
        >>> round(float(weights[means > 0].sum().detach()), 1)
        0.5
    """

    reparameterised: ClassVar[bool] = False
    solver: ClassVar[str | None] = "multi_pathfinder"

    def __init__(self, latents: Latents, paths: int = 8) -> None:
        super().__init__(latents)
        self.paths = whole("paths", paths, way="Pass e.g. paths=8.")
        size = sum(site.size for site in latents.sites)
        self.logits = nn.Parameter(torch.zeros(paths))
        apart = torch.linspace(-1, 1, paths)[:, None] if paths > 1 else torch.zeros(1, 1)
        self.loc = nn.Parameter(apart.repeat(1, size))
        self.factor = nn.Parameter(torch.zeros(paths, factor_size(size)))

    @property
    def options(self) -> dict[str, int]:
        """The number of paths."""
        return {"paths": self.paths}

    def mixture(self) -> dist.MixtureSameFamily:
        """The distribution of the unconstrained values, side by side."""
        factor = cholesky_factor(self.factor, self.loc.shape[-1])
        parts = dist.MultivariateNormal(self.loc, scale_tril=factor)
        return dist.MixtureSameFamily(dist.Categorical(logits=self.logits), parts)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents jointly."""
        return sample_jointly(self.latents, self.plates(args), self.mixture())

    @torch.no_grad()
    def take(self, means: Tensor, factors: Tensor, weights: Tensor) -> None:
        """Becomes the mixture; where paths found none, parts of weight 0 stand for them."""
        found = len(weights)
        which = torch.arange(self.paths).clamp(max=found - 1)
        rest = torch.arange(self.paths) >= found
        self.loc.copy_(means[which])
        self.factor.copy_(numbers_of_factor(factors[which]))
        self.logits.copy_(weights[which].masked_fill(rest, 0.0).clamp(min=LEAST).log())
