"""Are the latents used, and does the aggregated posterior agree with the prior?

For every local latent site: KL(q(z|x) || p(z)), its dimensions, active units, and the two-sample
distance between z ~ q(z) = mean over rows of q(z|x_n) and z ~ p(z); over all sites: I(x; z).
Sources: Burda, Grosse & Salakhutdinov 2016 (active units); Hoffman & Johnson 2016, "ELBO surgery";
Gretton et al. 2012 (the distance).
"""

import math
from dataclasses import dataclass

import torch
from pyro import poutine
from pyro.distributions import Independent
from torch import Tensor
from torch.distributions import kl_divergence

from zoo.evaluation.mutual_information import (
    guided,
    log_prob,
    mutual_information,
    over_draws,
    runs_of,
)
from zoo.isolation import isolated
from zoo.latents import Family, Latent, Latents
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.two_sample import mmd
from zoo.program import Program
from zoo.sampling.draws import draw_prior
from zoo.sampling.importance_weights import row_count, take_rows
from zoo.traces import Traces

ACTIVE = 0.01
UNUSED = 0.01  # nats/row


@dataclass(frozen=True)
class SiteUsage:
    """One latent site.

    Attributes:
        kl: E_x KL(q(z|x) || p(z)), given the sites drawn above it; None where the guide draws the
            sites jointly.
        kl_per_dimension: value and standard error, (dimensions,) each, nats/row; None where q or
            p does not factorise over dimensions.
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
    """All sites, and what they hold together.

    Attributes:
        sites: site -> its metrics.
        kl: E_x KL(q(z|x) || p(z)) of all sites.
        mutual_information: E_x KL(q(z|x) || q(z)), at most the log of the number of rows.
    """

    sites: dict[str, SiteUsage]
    kl: Metric
    mutual_information: Metric

    def metrics(self) -> dict[str, Metric]:
        """By name: "kl", "mutual_information", "kl/SITE", "active_units/SITE", "mmd/SITE", ..."""
        found = {"kl": self.kl, "mutual_information": self.mutual_information}
        for name, site in self.sites.items():
            found |= {} if site.kl is None else {f"kl/{name}": site.kl}
            found[f"active_units/{name}"] = site.active
            found[f"mmd/{name}"], found[f"mmd_p/{name}"] = site.mmd
        return found

    @property
    def verdict(self) -> str:
        """A sentence for each site: collapsed, partly used, or used, and is q(z) the prior?"""
        return "; ".join(_verdict(name, site) for name, site in self.sites.items())


@torch.no_grad()
def latent_health(
    program: Program,
    args: tuple,
    *,
    rows: int = 200,
    draws: int = 20,
    permutations: int = 500,
    seed: int = 0,
) -> LatentUsage:
    """Metrics of the latents of a rowwise model.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        rows: only the first so many rows; I(x; z) takes rows^2 evaluations of q for each draw.
        draws: draws from the guide for each row.
        permutations: behind each p-value.
        seed: of the draws.

    Raises:
        ValueError: if latents are shared by rows, or fewer than 2 rows or draws are asked.
    """
    _check(program.latents, rows, draws)
    total = row_count(program, args)
    picked = torch.arange(min(rows, total), device=next(program.parameters()).device)
    args = take_rows(program, args, picked, total)
    with isolated(seed=seed):
        with poutine.block(), program.handlers(picked):
            runs = runs_of(program, args, draws)
            information = mutual_information(program, args, runs)
        prior = draw_prior(program, args, rows=len(picked))
        sites = {
            site.name: _site(site, program, runs, prior[site.name], permutations)
            for site in program.latents.sites
        }
    return LatentUsage(sites, _total_kl(runs, program.latents), information)


def _check(latents: Latents, rows: int, draws: int) -> None:
    if not latents.rowwise:
        shared = [site.name for site in latents.sites if not site.local]
        raise ValueError(f"Expected latents of each row; {shared} are shared by all rows.")
    if rows < 2 or draws < 2:
        raise ValueError(f"Expected at least 2 rows and 2 draws; got {rows} and {draws}.")


def _total_kl(runs: list[Traces], latents: Latents) -> Metric:
    names = list(latents.names)
    ratio = torch.cat(
        [
            log_prob(r.guide, guided(r.guide), latents) - log_prob(r.model, names, latents)
            for r in runs
        ]
    )
    return over_draws(ratio, "")


def _site(
    latent: Latent, program: Program, runs: list[Traces], prior: Tensor, permutations: int
) -> SiteUsage:
    latents = program.latents
    z = torch.cat([_rows_first(_drawn(r, latent), latent, latents) for r in runs])
    joint = any(name not in latents.names for name in guided(runs[0].guide))
    closed = isinstance(program.guide, Family) and program.guide.independent
    per_dimension = None if joint else _kl_of_dimensions(latent, runs, latents, closed=closed)
    if joint:
        whole = None
    elif per_dimension is not None and closed:
        whole = over_draws(per_dimension.sum(-1), "")
    else:
        whole = over_draws(_log_ratio(latent, runs, latents), "")
    variance = _mean_variance(z)
    return SiteUsage(
        kl=whole,
        kl_per_dimension=None if per_dimension is None else _over_draws(per_dimension),
        mean_variance=variance,
        active=_active(*variance),
        mmd=mmd(z[0], _rows_first(prior, latent, latents)[0], permutations=permutations),
    )


def _drawn(traces: Traces, latent: Latent) -> Tensor:
    value = traces.guide.nodes[latent.name]["value"]
    assert isinstance(value, Tensor)
    return value


def _rows_first(value: Tensor, latent: Latent, latents: Latents) -> Tensor:
    """A site's values as (draws, rows, dimensions), its other plates among the dimensions."""
    assert latents.row_plate is not None
    event = len(latent.event_shape)
    value = value.reshape((1,) * (latents.nesting + 1 + event - value.dim()) + tuple(value.shape))
    rows_at = value.dim() - event + latents.row_plate.dim
    return value.movedim(rows_at, 1).flatten(2) if value.dim() > 2 else value.unsqueeze(-1)


def _log_ratio(latent: Latent, runs: list[Traces], latents: Latents) -> Tensor:
    name = [latent.name]
    return torch.cat(
        [log_prob(r.guide, name, latents) - log_prob(r.model, name, latents) for r in runs]
    )


def _kl_of_dimensions(
    latent: Latent, runs: list[Traces], latents: Latents, *, closed: bool
) -> Tensor | None:
    """KL of each dimension, (draws, rows, dimensions), where q and p factorise over them."""
    parts = []
    for traces in runs:
        q, p = (_elements(t.nodes[latent.name]["fn"]) for t in (traces.guide, traces.model))
        value = _drawn(traces, latent)
        if q is None or p is None or len(latent.event_shape) not in (0, q[1]) or q[1] != p[1]:
            return None
        terms = _kl_or_ratio(q[0], p[0], value, closed=closed).expand(value.shape)
        parts.append(_rows_first(terms, latent, latents))
    return torch.cat(parts)


def _elements(fn: object) -> tuple | None:
    """The distribution of one element and how many event dimensions were made of its batch."""
    taken = 0
    while isinstance(fn, Independent):
        taken, fn = taken + fn.reinterpreted_batch_ndims, fn.base_dist
    return None if fn.event_shape else (fn, taken)  # type: ignore[attr-defined]


def _kl_or_ratio(q: object, p: object, value: Tensor, *, closed: bool) -> Tensor:
    """KL(q || p) in closed form if there is one and it may be taken, else log q - log p."""
    if closed:
        try:
            return kl_divergence(q, p)  # type: ignore[arg-type]
        except NotImplementedError:
            pass
    return q.log_prob(value) - p.log_prob(value)  # type: ignore[attr-defined]


def _over_draws(values: Tensor) -> PerRow:
    draws, rows, _ = values.shape
    return values.mean((0, 1)), (values.var(0).sum(0) / draws).sqrt() / rows


def _mean_variance(z: Tensor) -> PerRow:
    """Variance over rows of the posterior mean, with the draws' own noise taken off it."""
    draws, rows, _ = z.shape
    mean, noise = z.mean(0), z.var(0) / draws
    centred = mean - mean.mean(0)
    value = centred.square().sum(0) / (rows - 1) - noise.mean(0)
    square = (4 * centred.square() * noise + 2 * noise**2).sum(0)
    return value, square.sqrt() / (rows - 1)


def _active(value: Tensor, error: Tensor) -> Metric:
    """Dimensions above the threshold; the error counts those that could be on either side."""
    distance = (value - ACTIVE) / error.clamp(min=torch.finfo(value.dtype).tiny)
    chance = 0.5 * (1 + torch.erf(distance / math.sqrt(2)))
    se = float((chance * (1 - chance)).sum().sqrt())
    count = float((value > ACTIVE).sum())
    return Metric(count, se, f"of {len(value)} dimensions", "higher", f"variance above {ACTIVE}")


def _verdict(name: str, site: SiteUsage) -> str:
    size, active = len(site.mean_variance[0]), int(site.active.value)
    if site.kl is not None and site.kl.value < UNUSED + 2 * site.kl.se:
        used = f"collapsed: q(z|x) is the prior for every x ({site.kl.value:.2g} nats/row)"
    elif active == 0:
        used = "collapsed: the posterior mean does not move with x"
    elif active < size:
        used = f"partly used: {active} of {size} dimensions move with x"
    else:
        used = f"used: all {size} dimensions move with x"
    p = site.mmd[1].value
    return f"{name} {used}; q(z) {'is not' if p < 0.01 else 'looks like'} the prior (p = {p:.2g})"
