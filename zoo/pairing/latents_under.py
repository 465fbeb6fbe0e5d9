"""The latents of a model under a guide of the user's own, on which they may depend."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pyro.infer.autoguide import AutoGuide

from zoo.handlers.minibatch import Minibatch
from zoo.handlers.particles import why_narrow
from zoo.isolation import isolated
from zoo.latents import Family, Latents, Model, describe
from zoo.latents.statements import Unmade, run_with, statements_of
from zoo.traces import Traces, as_guide


def latents_under(
    model: Model, guide: Callable, args: tuple, kwargs: dict, rows: int | None
) -> Latents:
    """The model's latents; a guide of one's own may make parameters that the model asks for."""
    try:
        return describe(model, *args, rows=rows, **kwargs)
    except Unmade:
        if isinstance(guide, (type, partial, AutoGuide, Family)):
            raise
        made = statements_of(guide, args, kwargs)
        return describe(partial(run_with, made, model), *args, rows=rows, **kwargs)


def narrowed(
    latents: Latents, guide: Callable, traces: Traces, args: tuple, kwargs: dict, rows: int | None
) -> Latents:
    """The latents of a pair whose guide, one of the user's own, may not broadcast either."""
    if not latents.vectorises or isinstance(guide, (Family, AutoGuide)):
        return latents
    with isolated(seed=0), Minibatch(None, rows):
        said = why_narrow(as_guide(guide), traces.guide, latents.nesting, args, kwargs)
    return replace(latents, vectorises=False, narrow=f"in the guide, {said}") if said else latents
