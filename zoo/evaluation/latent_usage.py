"""Are the latents used, and does the aggregated posterior agree with the prior?

For each local latent site: KL(q(z|x) || p(z)) and that of its dimensions, the number of active
units, and a two-sample distance between the aggregated posterior q(z) = mean_n q(z|x_n) and the
prior p(z). For all sites together: the KL and the mutual information I(x; z).
Sources: Burda, Grosse & Salakhutdinov 2016 (active units); Hoffman & Johnson 2016, "ELBO surgery";
Gretton et al. 2012 (the distance).
"""

from dataclasses import dataclass

import torch
from pyro import poutine
from torch import Tensor

from zoo.evaluation.mutual_information import guided, mutual_information, runs_of
from zoo.evaluation.site_kl import (
    drawn,
    kl_of_dimensions,
    log_ratio,
    rows_first,
    splits_by_site,
    total_kl,
)
from zoo.isolation import isolated
from zoo.latents import Family, Kind, Latent, Latents
from zoo.manifolds.lorentz_normal import log_origin
from zoo.metrics.means import mean_over_draws_and_rows
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.two_sample import mmd
from zoo.program import Program
from zoo.sampling.draws import draw_prior
from zoo.sampling.importance_weights import row_count, take_rows
from zoo.traces import Traces

ACTIVE_VARIANCE = 0.01  # over rows, of the posterior mean of an active unit
NO_KL = 0.01  # nats/row; a KL that is not clearly larger counts as none
DIFFERENT = 0.01  # p-value below which q(z) and the prior count as different

WITH_AUXILIARY = (
    "at most this: the guide's auxiliary numbers are counted, and leave mutual_information unknown"
)


@dataclass(frozen=True)
class SiteUsage:
    """How much a latent site is used.

    Attributes:
        kl: E_x KL(q(z|x) || p(z)), given the sites that it depends on; None where the guide draws
            the sites jointly, or in another order than the model, or has no density.
        kl_per_dimension: value and standard error, (dimensions,) each, nats/row; None where q or
            p does not factorise over dimensions, and where `kl` is.
        mean_variance: variance over rows of E_q[z|x], and its standard error, (dimensions,) each.
        active: number of dimensions whose variance is above 0.01.
        mmd: squared MMD between the aggregated posterior and the prior, and its p-value.
    """

    kl: Metric | None
    kl_per_dimension: PerRow | None
    mean_variance: PerRow
    active: Metric
    mmd: tuple[Metric, Metric]


@dataclass(frozen=True)
class LatentUsage:
    """How much the latents are used: each site, and all together.

    Attributes:
        sites: site -> its metrics.
        kl: E_x KL(q(z|x) || p(z)) of all sites; None for a guide without a density.
        mutual_information: E_x KL(q(z|x) || q(z)), at most the log of the number of rows; None as
            `kl`, and where the guide draws auxiliary numbers, so that q(z|x) of another row's draw
            is not known.
    """

    sites: dict[str, SiteUsage]
    kl: Metric | None
    mutual_information: Metric | None

    def metrics(self) -> dict[str, Metric]:
        """By name: "kl", "mutual_information", "kl/SITE", "active_units/SITE", "mmd/SITE", ..."""
        both = {"kl": self.kl, "mutual_information": self.mutual_information}
        found = {name: metric for name, metric in both.items() if metric is not None}
        for name, site in self.sites.items():
            found |= {} if site.kl is None else {f"kl/{name}": site.kl}
            found[f"active_units/{name}"] = site.active
            found[f"mmd/{name}"], found[f"mmd_p/{name}"] = site.mmd
        return found

    @property
    def verdict(self) -> str:
        """For each site: is it collapsed, partly used, or used, and is q(z) close to the prior?"""
        return "; ".join(_verdict(name, site) for name, site in self.sites.items())


@torch.no_grad()
def latent_usage(
    program: Program,
    args: tuple,
    *,
    rows: int = 200,
    draws: int = 20,
    permutations: int = 500,
    seed: int = 0,
) -> LatentUsage:
    """How much a rowwise model uses its latents.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        rows: number of rows, the first ones; I(x; z) evaluates q rows^2 times for each draw.
        draws: draws from the guide for each row.
        permutations: number of permutations behind each p-value.
        seed: of the draws.

    Raises:
        ValueError: if latents are shared by rows, or fewer than 2 rows or draws are asked.
    """
    _check(program.latents, rows, draws)
    total = row_count(program, args)
    picked = torch.arange(min(rows, total), device=next(program.parameters()).device)
    args = take_rows(program, args, picked, total)
    auxiliary = isinstance(program.guide, Family) and program.guide.auxiliary
    with isolated(seed=seed):
        with poutine.block(), program.handlers(picked):
            runs = runs_of(program, args, draws)
            dense = has_density(program.guide)
            scored = dense and not auxiliary
            information = mutual_information(program, args, runs) if scored else None
        prior = draw_prior(program, args, rows=len(picked))
        sites = {
            site.name: _site(site, program, runs, prior[site.name], permutations)
            for site in program.latents.sites
        }
    about = WITH_AUXILIARY if auxiliary else ""
    whole = total_kl(runs, program.latents).noted(about) if dense else None
    return LatentUsage(sites, whole, information)


def has_density(guide: object) -> bool:
    """Has q a density? Only guides of the zoo say that theirs has none."""
    return not isinstance(guide, Family) or guide.has_density


def _check(latents: Latents, rows: int, draws: int) -> None:
    if not latents.rowwise:
        shared = [site.name for site in latents.sites if not site.local]
        raise ValueError(f"Expected latents of each row; {shared} are shared by all rows.")
    if rows < 2 or draws < 2:
        raise ValueError(f"Expected at least 2 rows and 2 draws; got {rows} and {draws}.")


def _site(
    latent: Latent, program: Program, runs: list[Traces], prior: Tensor, permutations: int
) -> SiteUsage:
    latents = program.latents
    z = torch.cat([rows_first(drawn(r, latent), latent, latents) for r in runs])
    prior = rows_first(prior, latent, latents)
    if latent.kind is Kind.HYPERBOLOID:  # their coordinates grow exponentially with the distance
        z, prior = (_tangent(value, latent) for value in (z, prior))
    closed = isinstance(program.guide, Family) and program.guide.independent
    joint = any(name not in latents.names for name in guided(runs[0].guide))
    joint = joint or not (closed or splits_by_site(runs[0])) or not has_density(program.guide)
    per_dimension = None if joint else kl_of_dimensions(latent, runs, latents, closed=closed)
    if joint:
        whole = None
    elif per_dimension is not None and closed:
        whole = mean_over_draws_and_rows(per_dimension.sum(-1))
    else:
        whole = mean_over_draws_and_rows(log_ratio(latent, runs, latents))
    variance = _mean_variance(z)
    return SiteUsage(
        kl=whole,
        kl_per_dimension=None if per_dimension is None else _over_draws(per_dimension),
        mean_variance=variance,
        active=_active(*variance),
        mmd=mmd(z[0], prior[0], permutations=permutations),
    )


def _tangent(z: Tensor, latent: Latent) -> Tensor:
    """Points of hyperbolic space as tangent vectors at its origin, (draws, rows, numbers)."""
    points = z.unflatten(-1, (-1, latent.event_shape[-1]))
    return log_origin(points).flatten(2)


def _over_draws(values: Tensor) -> PerRow:
    """Mean over draws and rows of each dimension, with the error of the draws, (dimensions,)."""
    draws, rows, _ = values.shape
    return values.mean((0, 1)), (values.var(0).sum(0) / draws).sqrt() / rows


def _mean_variance(z: Tensor) -> PerRow:
    """Variance over rows of the posterior mean, less the variance that the draws add to it."""
    draws, rows, _ = z.shape
    mean, noise = z.mean(0), z.var(0) / draws
    centred = mean - mean.mean(0)
    value = centred.square().sum(0) / (rows - 1) - noise.mean(0)
    square = (4 * centred.square() * noise + 2 * noise**2).sum(0)
    return value, square.sqrt() / (rows - 1)


def _active(value: Tensor, error: Tensor) -> Metric:
    """Number of dimensions above the threshold; its error counts those close to it."""
    distance = (value - ACTIVE_VARIANCE) / error.clamp(min=torch.finfo(value.dtype).tiny)
    above = torch.special.ndtr(distance)  # probability that the true variance is above
    se = float((above * (1 - above)).sum().sqrt())
    count, unit = float((value > ACTIVE_VARIANCE).sum()), f"of {len(value)} dimensions"
    return Metric(count, se, unit, "higher", f"variance above {ACTIVE_VARIANCE}")


def _verdict(name: str, site: SiteUsage) -> str:
    size, active = len(site.mean_variance[0]), int(site.active.value)
    if site.kl is not None and site.kl.low(2.0) < NO_KL:
        used = f"collapsed: q(z|x) is the prior for every x ({site.kl.value:.2g} nats/row)"
    elif active == 0:
        used = "collapsed: the posterior mean does not move with x"
    elif active < size:
        used = f"partly used: {active} of {size} dimensions move with x"
    else:
        used = f"used: all {size} dimensions move with x"
    p = site.mmd[1].value
    like = "is not" if p < DIFFERENT else "looks like"
    return f"{name} {used}; q(z) {like} the prior (p = {p:.2g})"
