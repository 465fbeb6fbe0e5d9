"""Puts a model, a guide and an objective together, and checks that the three go together."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from pyro.infer.autoguide import AutoGuide
from pyro.infer.autoguide.effect import AutoMessenger

from zoo.checks.whereabouts import noted
from zoo.copies import copies, held_modules
from zoo.handlers.discovery import Discovery, SetUp
from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import (
    StoreParameters,
    adopt,
    find_statements,
    in_eval_mode,
    reachable_modules,
    shares_memory,
)
from zoo.latents import Family, Latents, Model
from zoo.objectives import Objective
from zoo.optim.schedules import Schedule
from zoo.pairing.covered import covered
from zoo.pairing.guide_input import about_rows, check_precision
from zoo.pairing.guide_sites import check_independent
from zoo.pairing.latents_under import latents_under, narrowed
from zoo.pairing.mismatch import check
from zoo.pairing.same_terms import check_always_drawn, check_masks
from zoo.pairing.validation import checked_run, observed_arguments
from zoo.program.broadcasting import why_narrow_when_moved
from zoo.program.guided import checked_pair
from zoo.program.program import Program
from zoo.traces import Pair, Traces, as_guide


def build(
    model: Model,
    guide: Callable,
    objective: Objective,
    args: tuple,
    kwargs: dict[str, object] | None = None,
    *,
    rows: int | None = None,
    kl_weight: Schedule | None = None,
    device: torch.device | str = "cpu",
) -> Program:
    """The program of a model, a guide and an objective, on copies of what was passed.

    Run it inside :func:`zoo.isolation.isolated`.

    Args:
        model: any Pyro model.
        guide: a guide class of the zoo, a partial of one, a built guide, a Pyro AutoGuide
            (class or instance), or a guide function.
        objective: what to minimise.
        args: arguments of the model, on `device`; a minibatch is enough.
        kwargs: keyword arguments of the model.
        rows: full number of data rows, where `args` hold a minibatch.
        kl_weight: weight of the KL term at each step.
        device: where to train.

    Raises:
        PairingError: if the three do not go together.
    """
    kwargs = kwargs or {}
    model, guide = copies(model, guide)
    seen = Discovery(), Discovery()
    with SetUp(device):
        reached = [part.to(device) for part in reachable_modules(model)]
        latents = latents_under(model, guide, args, kwargs, rows)
        check(latents, guide, objective)
        guide = _built_guide(guide, latents, model)
        check_precision(guide, latents, args)
        reached += [part.to(device) for part in reachable_modules(guide)]
        adopt(held_modules(guide))
        with in_eval_mode(reached), Minibatch(None, rows):
            try:
                traces = _first_run(model, guide, seen, args, kwargs)
            except ValueError as error:
                why = about_rows(guide, latents, args)
                if why:
                    raise ValueError(why) from error
                raise
            if objective.needs.independent and not isinstance(guide, Family):
                who = type(objective).__name__
                check_independent(as_guide(guide), traces.guide, args, kwargs, who)
            check_masks(traces)
            if isinstance(guide, (Family, AutoGuide)):
                check_always_drawn(model, traces, args, kwargs)
        latents = narrowed(latents, guide, traces, args, kwargs, rows)
    pair = checked_pair(Pair(model, guide, latents), traces, objective)
    found = seen[0].modules, seen[1].modules
    reached += [part.to(device) for part in [*reachable_modules(guide), *found[0], *found[1]]]
    statements = find_statements(traces, reached)
    store = StoreParameters(statements, seen[0].names | seen[1].names).to(device)
    program = Program(
        pair, objective, kl_weight=kl_weight, kwargs=kwargs, store=store, found=found
    )
    program.observed = observed_arguments(traces.model, args)
    program.model_statements = frozenset(seen[0].names)
    program = program.to(device)
    _unshare_buffers(program)
    _check_broadcasting(program, args, rows)
    return program


def _built_guide(guide: Callable, latents: Latents, model: Model) -> Callable:
    """The guide for these latents; one that was passed as an instance or a function as it is."""
    family = guide.func if isinstance(guide, partial) else guide
    if isinstance(family, type) and issubclass(family, Family):
        taken = covered(latents, family)
        return guide(taken, model) if family.takes_model else guide(taken)
    if isinstance(family, type) and issubclass(family, (AutoGuide, AutoMessenger)):
        return guide(model)
    return guide


def _first_run(
    model: Model, guide: Callable, seen: tuple[Discovery, Discovery], args: tuple, kwargs: dict
) -> Traces:
    """A run of the guide and of the model on its draw, under Pyro's validation.

    Args:
        model: the model.
        guide: the guide, built.
        seen: note what the model and what the guide registers.
        args: arguments of both.
        kwargs: keyword arguments of both.
    """
    of_model, of_guide = seen
    watched = of_model(model), of_guide(as_guide(guide))
    with noted("the first run of the guide and the model on its draw"), torch.no_grad():
        return checked_run(*watched, args, kwargs, declares=isinstance(guide, Family))


def _unshare_buffers(program: Program) -> None:
    """Gives each buffer whose elements share memory, as after `expand`, memory of its own.

    A saved state could not be copied back into such a buffer.
    """
    for module in program.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.layout == torch.strided and shares_memory(buffer):
                module._buffers[name] = buffer.clone()


def _check_broadcasting(program: Program, args: tuple, rows: int | None) -> None:
    """Has particles run one after another if the pair does not broadcast over them."""
    narrow = why_narrow_when_moved(program, args, rows)
    if narrow:
        program.latents = replace(program.latents, vectorises=False, narrow=narrow)
