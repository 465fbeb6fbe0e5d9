"""The mutual information I(x; z) under q: each row's draws are scored under all rows' posteriors.

    I = E_x KL( q(z|x) || q(z) ),   q(z) = 1/N sum_n q(z|x_n),

with the N given rows, each of which is one term of its own q(z): the estimate is at most log N.
For those rows it has Monte Carlo error only.
Source: Hoffman & Johnson 2016, "ELBO surgery: yet another way to carve up the variational evidence
lower bound".
"""

import math
from collections.abc import Iterator

import torch
from pyro import poutine
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from zoo.handlers.particles import particles
from zoo.latents import Latents
from zoo.metrics.means import mean_over_draws_and_rows
from zoo.metrics.metric import Metric
from zoo.program import Program
from zoo.sampling.importance_weights import row_count
from zoo.traces import Assign, Traces, log_mean_exp, run, sample_sites, sum_plates

OWN_PRIORS = "rows have priors of their own, so that KL may lie below it"
ROUNDING = 1e-4  # of a log prior, relative


def runs_of(program: Program, args: tuple, draws: int) -> list[Traces]:
    """Draws of the guide, scored under guide and model; one run if the model broadcasts."""
    pair, kwargs, count = program.pair, program.kwargs, draws
    if not program.latents.vectorises:
        return [run(pair.model, pair.guide, args, kwargs) for _ in range(draws)]
    model, guide = (particles(fn, count, pair.latents.nesting) for fn in (pair.model, pair.guide))
    return [run(model, guide, args, kwargs)]


def log_prob(trace: Trace, names: list[str], latents: Latents) -> Tensor:
    """Log-probability of the sites named, for every draw and row: (draws, rows)."""
    sites = [site for site in sample_sites(trace) if site["name"] in names]
    terms = [sum_plates(s["unscaled_log_prob"], s, latents, keep_rows=True) for s in sites]
    return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


def guided(trace: Trace) -> list[str]:
    """Names of all sites of the guide, with the auxiliary sites of joint guides."""
    return [str(site["name"]) for site in sample_sites(trace)]


def mutual_information(program: Program, args: tuple, runs: list[Traces]) -> Metric:
    """I(x; z) of the rows in `args`, nats/row; it evaluates q rows^2 times for each draw.

    Args:
        program: a trained program in eval mode, whose handlers are entered.
        args: arguments of the model.
        runs: see :func:`runs_of`.
    """
    latents = program.latents
    own = torch.cat([log_prob(r.guide, guided(r.guide), latents) for r in runs])
    rows = own.shape[1]
    scores = [torch.cat([s.roll(-k, 1) for s in part]) for k, part in _rolled(program, args, runs)]
    aggregated = log_mean_exp(torch.stack([own, *scores]))
    values = own - aggregated
    note = f"at most log {rows} = {math.log(rows):.2f} on {rows} rows"
    if any(_has_own_priors(program, args, one) for one in runs):
        note += f"; {OWN_PRIORS}"
    return mean_over_draws_and_rows(values, note=note)


def may_not_exceed_kl(information: Metric) -> bool:
    """Is KL(q(z|x) || p(z)) at least I(x; z)? It is where all rows have the same prior."""
    return OWN_PRIORS not in information.note


def _has_own_priors(program: Program, args: tuple, traces: Traces) -> bool:
    """Is the log prior of the same draws another one in the next row's place?"""
    latents, names = program.latents, list(program.latents.names)
    own = log_prob(traces.model, names, latents)
    moved = _scored_elsewhere(program, args, traces.guide, 1, names).roll(-1, 1)
    return bool(((moved - own).abs() > ROUNDING * (1 + own.abs())).any())


def _rolled(
    program: Program, args: tuple, runs: list[Traces]
) -> Iterator[tuple[int, list[Tensor]]]:
    """Shift k, and log q of the draws of row n - k under row n, (draws, rows) for each run."""
    rows = row_count(program, args)
    for k in range(1, rows):
        yield k, [_scored_elsewhere(program, args, traces.guide, k) for traces in runs]


def _scored_elsewhere(
    program: Program, args: tuple, trace: Trace, shift: int, prior: list[str] | None = None
) -> Tensor:
    """Log q of draws of other rows; with names of latents, their log prior: (draws, rows)."""
    latents = program.latents
    scorer = program.pair.guide if prior is None else program.pair.model
    assert latents.row_plate is not None
    sites = sample_sites(trace)
    values, count = {}, 1
    for site in sites:
        event = len(site["fn"].event_shape)  # type: ignore[attr-defined]
        value: Tensor = site["value"]  # type: ignore[assignment]
        values[str(site["name"])] = value.roll(shift, latents.row_plate.dim - event)
        if value.dim() - event > latents.nesting:
            count = len(value)
    called = particles(scorer, count, latents.nesting) if count > 1 else scorer
    with Assign(values):
        scored = poutine.trace(called).get_trace(*args, **program.kwargs)
    scored.compute_log_prob()
    return log_prob(scored, list(values) if prior is None else prior, latents)
