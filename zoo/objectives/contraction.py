"""Latents that a guide leaves to the sum, summed out of one run as Pyro's TraceEnum_ELBO does.

    log w = log sum_k p(x, k, m) - log q(m),      m a draw of the guide,

by tensor contraction: latents of different rows, of plates inside of rows and along a
``pyro.markov`` chain are summed one after another, so that the cost does not grow with the number
of their joint states.
Source: Obermeyer et al. 2019, "Tensor variable elimination for plated factor graphs".
"""

from typing import Any

import torch
from pyro import poutine
from pyro.infer.traceenum_elbo import _compute_model_factors
from pyro.ops import packed
from pyro.ops.contract import contract_tensor_tree
from pyro.poutine.enum_messenger import EnumMessenger
from pyro.poutine.runtime import InferDict, Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from zoo.latents import Latents, Model
from zoo.traces import Pair, add_up, sample_sites, sum_dims

Plates = dict[str, Any]


def contracted(pair: Pair, args: tuple, kwargs: dict, total: int) -> Tensor:
    """Log-weights of one draw of the guide, nats, (1, rows); (1, 1) where rows share a latent.

    Args:
        pair: the model and the guide; what the guide does not sample is to be finite.
        args: arguments of both.
        kwargs: their keyword arguments.
        total: number of all rows, which share what lies outside of them.
    """
    latents = pair.latents
    guide_trace = poutine.trace(pair.guide).get_trace(*args, **kwargs)
    model_trace = _enumerated(pair, guide_trace, args, kwargs)
    guide_trace = poutine.util.prune_subsample_sites(guide_trace)
    guide_trace.compute_log_prob()
    guide_trace.pack_tensors()
    model_trace.pack_tensors(guide_trace.plate_to_symbol)
    plates = _plates(model_trace) | _plates(guide_trace)
    inside, outside = list[Tensor](), list[Tensor]()
    for ordinal, term in _terms(model_trace, guide_trace):
        value = packed.unpack(term, model_trace.symbol_to_dim)
        value = _spread(value, [plates[symbol] for symbol in ordinal])
        rows = _rows_among([plates[symbol] for symbol in ordinal], latents)
        if rows is None:
            outside.append(sum_dims(value, latents, keep_rows=False))
        else:
            scale = (rows.full_size or rows.size) / rows.size
            inside.append(sum_dims(value, latents, keep_rows=True) / scale)
    if not inside:
        return add_up(outside)
    return add_up(inside) + add_up(outside) / total


def _enumerated(pair: Pair, guide_trace: Trace, args: tuple, kwargs: dict) -> Trace:
    """The model on the guide's draw, over all values of what the guide leaves."""
    left = {site.name for site in pair.left}

    def in_parallel(site: Message) -> InferDict:
        summed = site["name"] in left  # exactly: without num_samples
        return {"enumerate": "parallel" if summed else None, "num_samples": None}  # type: ignore[typeddict-item]

    model: Model = poutine.infer_config(pair.model, in_parallel)
    model = EnumMessenger(first_available_dim=-1 - pair.latents.nesting)(model)
    replayed = poutine.replay(model, trace=guide_trace)
    trace = poutine.util.prune_subsample_sites(poutine.trace(replayed).get_trace(*args, **kwargs))
    trace.compute_log_prob()
    return trace


def _terms(model_trace: Trace, guide_trace: Trace) -> list[tuple[frozenset, Tensor]]:
    """The terms of log p - log q, each with the plates that it lies in."""
    costs, factors, ordering, summed, scale = _compute_model_factors(model_trace, guide_trace)
    found = [(where, term) for where, terms in costs.items() for term in terms]
    if factors:
        tree = contract_tensor_tree(factors, summed, cache={})
        found += [
            (where, packed.scale_and_mask(term, scale=scale))
            for where, terms in tree.items()
            for term in terms
        ]
    guided: list[dict[str, Any]] = [dict(site) for site in sample_sites(guide_trace)]
    return found + [(ordering[s["name"]], packed.neg(s["packed"]["log_prob"])) for s in guided]


def _plates(trace: Trace) -> Plates:
    """Symbol of each plate -> its frame."""
    frames = [frame for site in sample_sites(trace) for frame in site["cond_indep_stack"]]
    return {trace.plate_to_symbol[frame.name]: frame for frame in frames if frame.vectorized}


def _spread(value: Tensor, frames: list) -> Tensor:
    """A term over all elements of its plates, also where it is alike for all of them."""
    shape = [1] * max([0, *(-frame.dim for frame in frames)])
    for frame in frames:
        shape[frame.dim] = frame.size
    return value.expand(torch.broadcast_shapes(value.shape, shape))


def _rows_among(frames: list, latents: Latents) -> Any:
    """The frame of the rows, where each row has a weight of its own; else None."""
    plate = latents.row_plate if latents.rowwise else None
    return next((f for f in frames if plate is not None and f.name == plate.name), None)
