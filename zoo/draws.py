"""Draws from a trained guide, and from the model given them."""

from typing import Any, NamedTuple

import torch
from pyro import poutine
from torch import Tensor

from zoo.log_weights import row_count, take_rows
from zoo.particles import particles
from zoo.program import Program
from zoo.traces import run, sample_sites


class Draws(NamedTuple):
    """Independent draws from a guide.

    Attributes:
        latents: site -> (draws, ...).
        log_likelihood: observed site -> (draws, rows), or (draws, ...) where there are no rows.
    """

    latents: dict[str, Tensor]
    log_likelihood: dict[str, Tensor]


@torch.no_grad()
def draw(program: Program, args: tuple, count: int, *, rows: int | None = None) -> Draws:
    """Draws latents from the guide and scores the observations under the model.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        count: number of draws.
        rows: only the first so many data rows; None for all.
    """
    total = row_count(program, args)
    picked = torch.arange(min(rows or total, total), device=next(program.parameters()).device)
    taken = take_rows(program, args, picked, total)
    handlers = program.handlers(picked if program.latents.row_args else None)
    with poutine.block(), handlers:
        if program.latents.vectorises:
            parts = [_wide(program, taken, count)]
        else:
            parts = [_wide(program, taken, 1) for _ in range(count)]
    latents, likelihoods = zip(*parts, strict=True)
    return Draws(_join(latents), _join(likelihoods))


@torch.no_grad()
def draw_prior(program: Program, args: tuple, *, rows: int) -> dict[str, Tensor]:
    """One draw of every latent from the model's prior, for the first so many rows."""
    total = row_count(program, args)
    taken = take_rows(program, args, torch.arange(min(rows, total)), total)
    with poutine.block(), program.handlers(None):
        trace = poutine.trace(program.model).get_trace(*taken, **program.kwargs)
    return {name: trace.nodes[name]["value"] for name in program.latents.names}  # type: ignore[misc]


def _wide(program: Program, args: tuple, count: int) -> tuple[dict, dict]:
    nesting, pair = program.latents.nesting, program.pair
    wrap = (lambda fn: particles(fn, count, nesting)) if count > 1 else (lambda fn: fn)
    traces = run(wrap(pair.model), wrap(pair.guide), args, program.kwargs)
    found = {site["name"]: site for site in sample_sites(traces.model)}
    latents = {
        site.name: _stacked(found[site.name]["value"], count, len(site.event_shape), nesting)
        for site in program.latents.sites
        if site.name in traces.guide.nodes
    }
    observed = {
        name: _stacked(found[name]["log_prob"], count, 0, nesting)
        for name in program.latents.observed
    }
    return latents, observed


def _stacked(value: Any, count: int, event: int, nesting: int) -> Tensor:
    """Puts draws first and drops the empty dimensions between them and the value's own."""
    batch = value.shape[: value.dim() - event]
    if count == 1 or len(batch) <= nesting:
        return value.expand(count, *value.shape) if count > 1 else value.unsqueeze(0)
    own = [size for size in batch[1:] if size > 1]
    return value.reshape(batch[0], *own, *value.shape[value.dim() - event :])


def _join(parts: tuple[dict[str, Tensor], ...]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
