"""Runs of a guide and of the model on its draw, their log-probabilities and their weights."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from pyro import poutine
from pyro.poutine.guide import GuideMessenger
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from zoo.handlers.particles import particles
from zoo.latents import Latents, Model
from zoo.sites.latent import Latent, Plate

Guide = Callable[..., object]


class Traces(NamedTuple):
    """One run of the guide and of the model replayed on it, with all log-probabilities."""

    model: Trace
    guide: Trace


@dataclass(frozen=True)
class Pair:
    """A model, a guide for it, and the description of the model's latents.

    Attributes:
        guided: names of the latents that a run of the guide samples; None stands for all.
        marked: does the model mark latents for enumeration, as pyro.infer.config_enumerate does?
    """

    model: Model
    guide: Guide
    latents: Latents
    guided: frozenset[str] | None = None
    marked: bool = False

    @property
    def left(self) -> list[Latent]:
        """The latents that the guide does not sample, and that the objective sums out."""
        if self.guided is None:
            return []
        return [site for site in self.latents.sites if site.name not in self.guided]

    def draw(self, count: int, args: tuple, kwargs: dict) -> list[Traces]:
        """Runs that hold `count` particles: a single one if the pair broadcasts over particles."""
        if count == 1:
            return [run(self.model, self.guide, args, kwargs)]
        if not self.latents.vectorises:
            return [run(self.model, self.guide, args, kwargs) for _ in range(count)]
        nesting = self.latents.nesting
        model = particles(self.model, count, nesting)
        return [run(model, particles(self.guide, count, nesting), args, kwargs)]


def run(model: Model, guide: Guide, args: tuple, kwargs: dict) -> Traces:
    """Samples the guide once and scores its draw under guide and model."""
    return score(model, poutine.trace(guide).get_trace(*args, **kwargs), args, kwargs)


def score(model: Model, guide_trace: Trace, args: tuple, kwargs: dict) -> Traces:
    """Scores a draw of the guide under guide and model."""
    replayed = poutine.trace(poutine.replay(model, trace=guide_trace))
    model_trace = poutine.util.prune_subsample_sites(replayed.get_trace(*args, **kwargs))
    guide_trace = poutine.util.prune_subsample_sites(guide_trace)
    model_trace.compute_log_prob()
    guide_trace.compute_score_parts()
    return Traces(model_trace, guide_trace)


def as_guide(guide: Guide) -> Guide:
    """The guide without the model's observed sites in its trace.

    Pyro's guide messengers run the model itself, so that its observed sites are traced too.
    """
    if not isinstance(poutine.unwrap(guide), GuideMessenger):
        return guide
    return poutine.block(guide, hide_fn=_is_observed)


def _is_observed(site: Message) -> bool:
    return site["type"] == "sample" and bool(site["is_observed"])


class Assign(Messenger):
    """Gives each sample site that is named in `values` its value there."""

    def __init__(self, values: dict[str, Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Message) -> None:
        if msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]]


def sample_sites(trace: Trace) -> list[Message]:
    """The sample sites of a trace, in order."""
    return [site for site in trace.nodes.values() if site["type"] == "sample"]


class Weights(NamedTuple):
    """Log importance weights in nats, one per particle and independent row.

    Attributes:
        log_p: log p(x, z), shape (particles, rows); one column where all rows share one weight,
            because they share a latent.
        log_q: log q(z), same shape.
        log_q_constant: the part of log q(z) whose draws have no gradient, same shape.
        outside: log p - log q of the sites outside of the rows, shape (); 0 where all rows share
            one weight.
        scale: how many rows of the full data one row stands for. The scales of other plates that
            are subsampled are in log_p and log_q already.
    """

    log_p: Tensor
    log_q: Tensor
    log_q_constant: Tensor
    outside: Tensor
    scale: float

    @property
    def log_w(self) -> Tensor:
        """The log-weights log p(x, z) - log q(z), shape (particles, rows)."""
        return self.log_p - self.log_q


def weigh(traces: Iterable[Traces], latents: Latents, *, rowwise: bool) -> Weights:
    """Log importance weights of each row, or of all data together, without the rows' scale.

    The bound of a row is computed from its own weights first, and is multiplied by N / batch
    afterwards. Log-weights that are multiplied before the log-mean-exp give no bound.

    Args:
        traces: runs of the model and the guide, see :meth:`Pair.draw`.
        latents: description of the model.
        rowwise: form a weight for each row; else one for all of the data.
    """
    parts = [_weigh_one(traces_, latents, rowwise=rowwise) for traces_ in traces]
    return Weights(
        log_p=torch.cat([part.log_p for part in parts]),
        log_q=torch.cat([part.log_q for part in parts]),
        log_q_constant=torch.cat([part.log_q_constant for part in parts]),
        outside=torch.stack([part.outside for part in parts]).mean(),
        scale=parts[0].scale,
    )


def _weigh_one(traces: Traces, latents: Latents, *, rowwise: bool) -> Weights:
    plate = latents.row_plate if rowwise else None
    signed = [(+1, site) for site in sample_sites(traces.model)]
    signed += [(-1, site) for site in sample_sites(traces.guide)]
    log_p = log_q = score = outside = signed[0][1]["log_prob"].new_zeros(())
    scale = 1.0
    for sign, site in signed:
        inside = plate is not None and plate.name in {f.name for f in site["cond_indep_stack"]}
        factor = row_scale(site, plate) if inside else 1.0
        term = sum_plates(site["log_prob"], site, latents, keep_rows=inside) / factor
        if rowwise and not inside:
            outside = outside + sign * term.mean()
            continue
        scale = factor
        if sign > 0:
            log_p = log_p + term
            continue
        log_q = log_q + term
        if not dict(site)["value"].requires_grad:  # type: ignore[attr-defined]
            score = score + sum_plates(site["unscaled_log_prob"], site, latents, keep_rows=inside)
    log_p, log_q, score = torch.broadcast_tensors(log_p, log_q, score)
    return Weights(log_p, log_q, score, outside, scale)


def sum_plates(value: Tensor, site: Message, latents: Latents, *, keep_rows: bool) -> Tensor:
    """A site's values summed over all plates but particles and, if asked, rows.

    Args:
        value: one number for each element of the site's plates.
        site: the site.
        latents: description of the model.
        keep_rows: keep a column for each row? Else there is one column.

    Returns:
        Shape (particles, rows) or (particles, 1).
    """
    return sum_dims(value, latents, keep_rows=keep_rows)


def sum_dims(value: Tensor, latents: Latents, *, keep_rows: bool) -> Tensor:
    """As :func:`sum_plates`, for values that belong to no single site."""
    value = value.reshape((1,) * (latents.nesting + 1 - value.dim()) + tuple(value.shape))
    row_dim = latents.row_plate.dim if keep_rows and latents.row_plate else None
    for dim in range(-latents.nesting, 0):
        if dim != row_dim:
            value = value.sum(dim, keepdim=True)
    rows = 1 if row_dim is None else value.shape[row_dim]
    return value.reshape(value.shape[0], rows)


def plate_scale(site: Message) -> float:
    """How many times a site counts because its plates are subsampled."""
    frames = [frame for frame in site["cond_indep_stack"] if frame.vectorized]
    return math.prod((frame.full_size or frame.size) / frame.size for frame in frames)


def row_scale(site: Message, plate: Plate | None) -> float:
    """How many times a site counts because the row plate is subsampled."""
    frames = [f for f in site["cond_indep_stack"] if plate is not None and f.name == plate.name]
    return math.prod((frame.full_size or frame.size) / frame.size for frame in frames)


def add_up(terms: Iterable[Tensor]) -> Tensor:
    """The sum of the terms, from the first to the last; 0 where there are none."""
    found = list(terms)
    return reduce(add, found) if found else torch.zeros(())


def log_mean_exp(value: Tensor, dim: int = 0) -> Tensor:
    """The logarithm of the mean of exp(value) along `dim`, computed without overflow."""
    return value.logsumexp(dim) - math.log(value.shape[dim])


def with_gradient(value: Tensor, surrogate: Tensor) -> Tensor:
    """A scalar with the value of the first and the gradient of the second."""
    return torch.as_tensor(value).detach() + surrogate - surrogate.detach()
