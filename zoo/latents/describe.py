"""What a guide must know of a model: its latents, found by tracing the prior once.

Nothing here asks who wrote the model: functions with ``pyro.param``, ``nn.Module`` and
``PyroModule`` are described alike, and so are sites observed by ``obs=`` or by ``condition``.
"""

from functools import partial
from typing import NamedTuple

import torch
from pyro import poutine
from pyro.poutine.trace_struct import Trace
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    OneHotCategorical,
)

from zoo.checks.arguments import refusal, whole
from zoo.checks.inputs import check_call, check_data
from zoo.checks.whereabouts import noted
from zoo.copies import held_modules
from zoo.device import device_of
from zoo.energies import Boltzmann
from zoo.handlers.discovery import SetUp
from zoo.handlers.minibatch import ROWS, Minibatch
from zoo.handlers.parameters import adopt, in_eval_mode, reachable_modules
from zoo.handlers.particles import why_narrow
from zoo.handlers.prior import Feasible, has_bounds, moving_supports
from zoo.isolation import isolated
from zoo.latents.architecture import architecture
from zoo.latents.latents import Latents
from zoo.latents.statements import Given
from zoo.protocols import Descends, Drawn, HasMeanField, Model, recogniser_of
from zoo.sites.latent import Latent, Plate
from zoo.sites.priors import without_wrappers
from zoo.sites.supports import SUMMED, kind_of, unmixed


def describe(model: Model, *args: object, rows: int | None = None, **kwargs: object) -> Latents:
    """Finds the latents of any Pyro model by tracing its prior once.

    Leaves the global random state, the parameter store and the validation flags untouched.

    Args:
        model: any callable with Pyro primitives.
        *args: what the model is called with.
        rows: full number of data rows, where `args` hold a minibatch of them.
        **kwargs: keyword arguments of the model.

    Raises:
        ValueError: if the model has no sample sites at all, or asks by name alone for a parameter
            that it does not make.
    """
    _check_model(model)
    rows = None if rows is None else whole("rows", rows)
    check_data(args, kwargs)
    check_call(model, args, kwargs)
    prior = _explore(model, rows, args, kwargs)
    seen = [site for site in prior.sites if site["is_observed"]]
    observed = [site for site in seen if not site["infer"].get("_deterministic")]
    passed = {id(value) for value in (*args, *kwargs.values())}
    row_args = _row_args(args, prior.row_plate)
    widths = tuple(args[i][0].numel() for i in row_args)  # type: ignore[index]
    hidden, activation = architecture(model)
    return Latents(
        sites=prior.latents,
        observed=tuple(site["name"] for site in observed),
        row_plate=prior.row_plate,
        row_args=row_args,
        context=sum(widths),
        nesting=prior.nesting,
        vectorises=not prior.narrow,
        hidden=hidden,
        activation=activation,
        recognises=recogniser_of(model) is not None,
        derived=tuple(site["name"] for site in observed if id(site["value"]) not in passed),
        descends=isinstance(model, Descends),
        draws=isinstance(model, Drawn),
        row_widths=widths,
        narrow=prior.narrow,
        moving=prior.moving,
        drawn_plates=tuple(plate.name for plate in prior.plates if _drawn_in_part(plate)),
        observed_by_row=all(_in_plate(site, prior.row_plate) for site in seen),
        differentiable_draws=len(seen) == 1 and seen[0]["fn"].has_rsample,
        energy_units=_energy_units(prior.sites),
        settles=isinstance(model, HasMeanField),
        differentiable_mean=len(seen) == 1 and _says_its_mean(seen[0]["fn"]),
    )


def _in_plate(site: dict, plate: Plate | None) -> bool:
    return plate is not None and plate.name in {f.name for f in site["cond_indep_stack"]}


def _energy_units(sites: list[dict]) -> int:
    """Left units of the model's energy; 0 if it has none.

    Raises:
        ValueError: for several energies, each with a constant of its own.
    """
    found = [site for site in sites if isinstance(site["fn"], Boltzmann)]
    if len(found) > 1:
        names = [site["name"] for site in found]
        raise ValueError(
            f"Expected at most one site with an energy, a Boltzmann; got {names}. Make the units "
            "of all of them one machine."
        )
    return len(found[0]["fn"].machine.left_bias) if found else 0


def _says_its_mean(fn: Distribution) -> bool:
    """Has it a mean in closed form, shaped as a draw?

    Distributions of a user's own, and those without a mean, raise what they like, or give NaN.
    """
    try:
        mean = fn.mean
    except (NotImplementedError, AttributeError, ValueError, RuntimeError):
        return False
    whole = fn.batch_shape + fn.event_shape
    return isinstance(mean, Tensor) and mean.shape == whole and bool(mean.isfinite().all())


def _check_model(model: object) -> None:
    if isinstance(model, type) or not callable(model):
        way = "Pass an instance of it; for a task task.build() and *task.split('train')."
        raise refusal("model", "a Pyro model, a function or a module", model, way)


class _Prior(NamedTuple):
    """What draws of the prior show of a model.

    Attributes:
        sites: all sample sites, observed ones too.
        plates: those that a site lies in.
        row_plate: the one over data rows, if there is one.
        nesting: number of plate dimensions.
        latents: the sites that are not observed.
        narrow: why the model does not broadcast over particles; empty if it does.
        moving: latents whose support is not always the same, each with what it depends on.
    """

    sites: list[dict]
    plates: tuple[Plate, ...]
    row_plate: Plate | None
    nesting: int
    latents: tuple[Latent, ...]
    narrow: str
    moving: tuple[tuple[str, str], ...]


def _explore(model: Model, rows: int | None, args: tuple, kwargs: dict) -> _Prior:
    """Runs the model on draws of its prior; the process is left as it was."""
    with isolated(seed=0), SetUp(), in_eval_mode(reachable_modules(model)):
        adopt(held_modules(model))
        again = partial(_prior_trace, model, rows, args, kwargs)
        with torch.no_grad(), noted("the first run of the model, on draws of its prior"):
            trace = again()
        sites: list[dict] = [dict(n) for n in trace.nodes.values() if n["type"] == "sample"]
        if not sites:
            raise ValueError(f"Expected a model with pyro.sample sites; {model} has none.")
        named = {plate.name: plate for site in sites for plate in _plates(site, args)}
        plates = tuple(named.values())
        row_plate = _row_plate(plates)
        nesting = max((-plate.dim for plate in plates), default=0)
        latents = tuple(
            _latent(site, args, row_plate) for site in sites if not site["is_observed"]
        )
        narrow = why_narrow(model, trace, nesting, args, kwargs)
        moving = moving_supports(trace, again, latents) if has_bounds(trace) else ()
    return _Prior(sites, plates, row_plate, nesting, latents, narrow, moving)


def _drawn_in_part(plate: Plate) -> bool:
    return plate.subsample < plate.size and not plate.given


def _prior_trace(model: Model, rows: int | None, args: tuple, kwargs: dict) -> Trace:
    with poutine.block(), Minibatch(None, rows), Feasible(device_of(args)), Given({}):
        trace = poutine.trace(model).get_trace(*args, **kwargs)
    return poutine.util.prune_subsample_sites(trace)


def _plates(site: dict, args: tuple) -> list[Plate]:
    frames = [frame for frame in site["cond_indep_stack"] if frame.vectorized]
    return [
        Plate(
            name=frame.name,
            size=frame.full_size or frame.size,
            dim=frame.dim,
            subsample=frame.size,
            given=frame.name == ROWS and any(has_rows(arg, frame.size) for arg in args),
        )
        for frame in frames
    ]


def _row_plate(plates: tuple[Plate, ...]) -> Plate | None:
    named = [plate for plate in plates if plate.name == ROWS]
    subsampled = [plate for plate in plates if plate.subsample < plate.size]
    return next(iter(named + subsampled), None)


def _latent(site: dict, args: tuple, row_plate: Plate | None) -> Latent:
    plates = tuple(sorted(_plates(site, args), key=lambda plate: plate.dim))
    batch = [1] * max((-plate.dim for plate in plates), default=0)
    for plate in plates:
        batch[plate.dim] = plate.size
    support = unmixed(site["fn"].support)
    return Latent(
        name=site["name"],
        support=support,
        event_shape=site["fn"].event_shape,
        batch_shape=torch.Size(batch),
        plates=plates,
        kind=kind_of(support),
        local=row_plate is not None and row_plate.name in {plate.name for plate in plates},
        dtype=site["value"].dtype,
        reparameterised=bool(site["fn"].has_rsample),
        elementwise=kind_of(support) not in SUMMED or _of_elements(site["fn"]),
        prior=type(without_wrappers(site["fn"])),
    )


def _of_elements(fn: Distribution) -> bool:
    """Does a discrete distribution give each element a probability by itself?"""
    while isinstance(fn, Independent):
        fn = fn.base_dist
    return isinstance(fn, (Bernoulli, Categorical, OneHotCategorical))


def _row_args(args: tuple, row_plate: Plate | None) -> tuple[int, ...]:
    if row_plate is None or not row_plate.given:
        return ()
    return tuple(i for i, arg in enumerate(args) if has_rows(arg, row_plate.subsample))


def has_rows(arg: object, rows: int) -> bool:
    """Is the argument a tensor with that many rows?"""
    return isinstance(arg, Tensor) and arg.dim() > 0 and len(arg) == rows
