"""Ancestral normal over all global latents: each given those that the model draws before it.

    q(z) = prod_i T( N(u_i; m_i + A_i u_{<i},  S_i L_i L_i^T S_i) ),   S_i = diag exp(C_i u_{<i}),

for the latents in the model's order, u_{<i} all unconstrained values before latent i, and L_i
lower triangular with a positive diagonal. With C = 0 it is the full-rank normal. The scales that
depend on earlier values are what it adds: it holds funnels, where a scale in the model makes
what it scales wide or narrow, exactly if log scales are affine. The order is the model's own, but
every earlier latent counts as a parent: those that are none keep a weight near 0.

Parameters: for latent i with d_i values and b_i before it, d_i + d_i (d_i + 1) / 2 + 2 d_i b_i.
Source: Hoffman & Blei 2015, "Structured stochastic variational inference"; Ranganath, Tran & Blei
2016, "Hierarchical variational models", for dependent scales.
Topic: Latents that all rows share.
"""

from collections.abc import Iterator
from typing import ClassVar

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from guides.guide import Guide
from guides.parts.cholesky import cholesky_factor, factor_size, numbers_of_factor
from guides.parts.joint import sample_jointly
from guides.parts.units import Units
from zoo.latents import Kind, Latents


class Structured(Guide):
    """Each global latent a normal whose mean and log scale are affine in the latents before it.

    Example:
        Eight schools draws mu, tau and 8 effects. To a full-rank normal's 65 parameters come
        the log scales' weights: tau's on mu, and the 8 effects' on both.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.Structured, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        82
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        self.sizes = [site.size for site in latents.sites]
        before = [sum(self.sizes[:i]) for i in range(1, len(self.sizes))]
        shapes = list(zip(self.sizes[1:], before, strict=True))
        self.units = Units(sum(self.sizes))
        self.loc = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.factors = nn.ParameterList(torch.zeros(factor_size(size)) for size in self.sizes)
        self.mean_weights = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.scale_weights = nn.ParameterList(torch.zeros(shape) for shape in shapes)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples all latents, one given those before it."""
        base = dist.Normal(torch.zeros_like(self.loc), torch.ones_like(self.loc)).to_event(1)
        parts = zip(self.factors, self.sizes, strict=True)
        factors = [cholesky_factor(numbers, size) for numbers, size in parts]
        ancestral = Ancestral(
            self.loc.split(self.sizes), factors, list(self.mean_weights), list(self.scale_weights)
        )
        q = dist.TransformedDistribution(base, [ancestral])
        return sample_jointly(self.latents, self.plates(args), self.units.of(q))

    @torch.no_grad()
    def start_at(self, mean: Tensor, factor: Tensor) -> None:
        """Becomes N(mean, factor factor^T) over all unconstrained values.

        Args:
            mean: site by site, shape (d,).
            factor: lower triangular with a positive diagonal, shape (d, d).
        """
        root = self.units.take(mean, factor)
        self.loc.zero_()
        at, weights = 0, iter(zip(self.mean_weights, self.scale_weights, strict=True))
        for i, (numbers, size) in enumerate(zip(self.factors, self.sizes, strict=True)):
            own = slice(at, at + size)
            numbers.copy_(numbers_of_factor(root[own, own]))
            if i:
                on, log_scale = next(weights)
                across = torch.linalg.solve_triangular(
                    root[:at, :at], root[own, :at], upper=False, left=False
                )
                on.copy_(across)
                log_scale.zero_()
            at += size


class Ancestral(Transform):
    """e -> u part by part: u_i = m_i + A_i u_{<i} + exp(C_i u_{<i}) * (L_i e_i).

    Args:
        locs: m_i, shape (d_i,) each.
        factors: L_i, (d_i, d_i) each.
        mean_weights: A_i of all parts but the first, (d_i, d_1 + ... + d_{i-1}) each.
        scale_weights: C_i, alike.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(
        self,
        locs: tuple[Tensor, ...],
        factors: list[Tensor],
        mean_weights: list[Tensor],
        scale_weights: list[Tensor],
    ) -> None:
        super().__init__(cache_size=1)
        self.locs, self.factors = locs, factors
        self.mean_weights, self.scale_weights = mean_weights, scale_weights

    def _call(self, x: Tensor) -> Tensor:
        found = x[..., :0]
        for i, part in enumerate(x.split(self._sizes, dim=-1)):
            mean, log_scale = self._given(i, found)
            own = mean + log_scale.exp() * (self.factors[i] @ part.unsqueeze(-1)).squeeze(-1)
            found = torch.cat([found, own], dim=-1)
        return found

    def _inverse(self, y: Tensor) -> Tensor:
        parts = []
        for i, own, mean, log_scale in self._parts(y):
            centred = ((own - mean) * (-log_scale).exp()).unsqueeze(-1)
            solved = torch.linalg.solve_triangular(self.factors[i], centred, upper=False)
            parts.append(solved.squeeze(-1))
        return torch.cat(parts, dim=-1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The log scales' sum and log |det L_i|, shape (...)."""
        total = x.new_zeros(x.shape[:-1])
        for i, _, _, log_scale in self._parts(y):
            total = total + self.factors[i].diagonal().log().sum() + log_scale.sum(-1)
        return total

    @property
    def _sizes(self) -> list[int]:
        return [len(loc) for loc in self.locs]

    def _parts(self, y: Tensor) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        at = 0
        for i, own in enumerate(y.split(self._sizes, dim=-1)):
            yield i, own, *self._given(i, y[..., :at])
            at += own.shape[-1]

    def _given(self, i: int, before: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log scale of part i, (..., d_i) each."""
        if i == 0:
            return self.locs[0], torch.zeros_like(self.locs[0])
        mean = self.locs[i] + before @ self.mean_weights[i - 1].mT
        return mean, before @ self.scale_weights[i - 1].mT
