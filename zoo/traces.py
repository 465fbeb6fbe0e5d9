"""A model and a guide run together: what every objective and every metric is made of."""

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
        guided: the latents that the guide samples, as a run of it shows; None for all of them.
        marked: does the model mark latents for Pyro's enumeration, as config_enumerate does?
    """

    model: Model
    guide: Guide
    latents: Latents
    guided: frozenset[str] | None = None
    marked: bool = False

    @property
    def left(self) -> list[Latent]:
        """The latents that the guide does not sample; they are to be summed out."""
        if self.guided is None:
            return []
        return [site for site in self.latents.sites if site.name not in self.guided]

    def draw(self, count: int, args: tuple, kwargs: dict) -> list[Traces]:
        """`count` particles: as one wide run if the model broadcasts over them, else as a list."""
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
    """The guide with nothing in its trace but its own sites.

    Pyro's guide messengers run the model to draw from its posterior, observed sites included.
    """
    if not isinstance(poutine.unwrap(guide), GuideMessenger):
        return guide
    return poutine.block(guide, hide_fn=_is_observed)


def _is_observed(site: Message) -> bool:
    return site["type"] == "sample" and bool(site["is_observed"])


class Assign(Messenger):
    """Gives named sample sites the values handed to it."""

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
        log_p: log p(x, z), shape (particles, rows); one column where all of the data share one
            weight, because they share a latent.
        log_q: log q(z), same shape.
        log_q_constant: the part of log q(z) whose draws are constants for autograd, same shape.
        outside: log-probability of what no row weight holds, shape ().
        scale: how many rows of the full data one row stands for: the row plate's scale alone.
            Of other plates that are subsampled, the scale multiplies the terms inside of them.
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
    """Forms log importance weights per independent row, free of the subsampling scale.

    The bound for one row is a function of that row's own weights; only then does it count
    N / batch times. Scaling the log-weights themselves, before a log-mean-exp, is no bound.

    Args:
        traces: runs of the model and the guide, see :meth:`Pair.draw`.
        latents: description of the model.
        rowwise: form a weight for each row (else one for all of the data).
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
    """Sums a site's batch over all plates but particles and, if asked, rows: (particles, rows)."""
    return sum_dims(value, latents, keep_rows=keep_rows)


def sum_dims(value: Tensor, latents: Latents, *, keep_rows: bool) -> Tensor:
    """The same of any term whose dimensions are the plates."""
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
    """How many times a site counts because rows are subsampled; other plates do not matter."""
    frames = [f for f in site["cond_indep_stack"] if plate is not None and f.name == plate.name]
    return math.prod((frame.full_size or frame.size) / frame.size for frame in frames)


def add_up(terms: Iterable[Tensor]) -> Tensor:
    """The sum of the terms, one after another; 0 where there are none."""
    found = list(terms)
    return reduce(add, found) if found else torch.zeros(())


def log_mean_exp(value: Tensor, dim: int = 0) -> Tensor:
    """Log of the mean of exp along `dim`, stable."""
    return value.logsumexp(dim) - math.log(value.shape[dim])


def with_gradient(value: Tensor, surrogate: Tensor) -> Tensor:
    """A scalar with the value of the first and the gradient of the second."""
    return torch.as_tensor(value).detach() + surrogate - surrogate.detach()
