"""A fit as the groups of an ArviZ file: what its draws, predictions and prior look like."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from zoo.arviz_compat import Named, Variable
from zoo.device import to_device
from zoo.evaluation.evaluate import Metrics, held_out_split
from zoo.isolation import isolated
from zoo.program import Program
from zoo.provenance import provenance
from zoo.results.result import Fit
from zoo.results.shown import guide_words
from zoo.sampling.draws import (
    draw,
    draw_jointly,
    draw_predictive,
    draw_weighted,
    drawn_in_turn,
    first_rows,
    observed_sites,
)
from zoo.sampling.importance_weights import row_count

CHAINS = 4
DRAWS, MANY_DRAWS = 200, 1000  # of all chains: the second where all latents are shared
ROWS, FEW_ROWS = 100, 2000  # rows in the file, where they are independent; more get fewer draws
ROW = "row"


class Shape(NamedTuple):
    """The names of a site's plates, from the left, with their sizes, and the shape of an event."""

    plates: tuple[tuple[str, int], ...]
    event: tuple[int, ...]


def arviz_groups(result: Fit, metrics: Metrics | None = None) -> Named:
    """Draws of a fit, in four chains: arrays begin with (chain, draw), except the data's own.

    A guide's draws are independent, so that chains are parts of one run. Where rows have latents
    of their own, the first 100 are in the file, as the dimension "row".

    Args:
        result: the fit.
        metrics: of the fit, whose verdict the file then has; None leaves it out.

    Returns:
        "posterior", "posterior_predictive", "log_likelihood", "sample_stats" (log p(x, z) as lp,
        log q(z) and the log-weight, summed over rows), "prior", "prior_predictive" and
        "observed_data"; without those that the model or the guide has nothing for, and without
        predictive ones where nothing is latent and a draw takes many passes of a network. There
        is a "log_likelihood" only where rows share all latents: given a latent of its own, a
        row's likelihood is not what leaving it out would predict it by.
    """
    split = held_out_split(result) if result.amortised else "train"
    args = tuple(to_device(arg, result.device) for arg in result.task.scoring_args(split))
    program, latents = result.program, result.latents
    rows = ROWS if latents.rowwise else None
    shared = not any(site.local for site in latents.sites)
    many = shared and latents.sites and row_count(program, args) <= FEW_ROWS
    count = MANY_DRAWS if many else DRAWS
    same = count if latents.sites else CHAINS  # densities of which none differs from another
    found: dict[str, dict[str, Tensor]] = {}
    with isolated(seed=result.settings.seed):
        drawn = draw(program, args, same, rows=rows)
        found["posterior"] = drawn.latents
        energy = latents.energy_units > 0  # densities lack log Z, and there are no exact draws
        found["log_likelihood"] = drawn.log_likelihood if shared and not energy else {}
        found["sample_stats"] = {} if energy else _densities(program, args, rows, same)
        slow = not latents.sites and drawn_in_turn(program, first_rows(program, args, rows))
        if not (energy or slow):
            found["posterior_predictive"] = draw_predictive(program, args, count, rows=rows)
            joint = draw_jointly(program, args, count, rows=rows)
            found["prior"], found["prior_predictive"] = joint
        sites = observed_sites(program, first_rows(program, args, rows))
    shapes = _latent_shapes(result) | {n: _shape(site, result) for n, site in sites.items()}
    pixels = math.prod(result.task.data.image) if result.task.data.image else 0
    groups = {
        group: {
            name: _variable(name, value.cpu().numpy(), shapes, pixels, group)
            for name, value in values.items()
        }
        for group, values in found.items()
        if values
    }
    data = {name: site["value"].cpu().numpy() for name, site in sites.items()}
    if data:
        groups["observed_data"] = {
            name: Variable(_dims(name, value.shape, shapes, pixels), value)
            for name, value in data.items()
        }
    return Named(groups, _attributes(result, split, metrics))


def _variable(
    name: str, value: np.ndarray, shapes: Mapping[str, Shape], pixels: int, group: str
) -> Variable:
    """Draws, split into chains, with the names of their dimensions."""
    chains = value.reshape(CHAINS, len(value) // CHAINS, *value.shape[1:])
    known = shapes
    if group == "log_likelihood":  # it has one number for each event
        known = {n: Shape(shape.plates, ()) for n, shape in shapes.items()}
    return Variable(("chain", "draw", *_dims(name, value.shape[1:], known, pixels)), chains)


def _dims(
    name: str, shape: tuple[int, ...], shapes: Mapping[str, Shape], pixels: int
) -> tuple[str, ...]:
    """Names of dimensions: those of plates, then of the event; numbered if they do not fit."""
    known = shapes.get(name, Shape((), ()))
    plates = [(plate, size) for plate, size in known.plates if size > 1]
    lead = len(shape) - len(known.event)
    if len(plates) < lead and len(known.plates) == lead:
        plates = list(known.plates)
    if len(plates) != lead:
        return tuple(f"{name}_index_{i}" for i in range(len(shape)))
    if known.event == (pixels,):
        return (*(plate for plate, _ in plates), "pixel")
    several = len(known.event) > 1
    event = [f"{name}_index_{i}" if several else f"{name}_index" for i in range(len(known.event))]
    return (*(plate for plate, _ in plates), *event)


def _latent_shapes(result: Fit) -> dict[str, Shape]:
    found = {}
    for site in result.latents.sites:
        plates = sorted(site.plates, key=lambda plate: plate.dim)
        named = tuple((_plate_name(plate.name, result), plate.size) for plate in plates)
        found[site.name] = Shape(named, tuple(site.event_shape))
    return found


def _shape(site: Mapping[str, Any], result: Fit) -> Shape:
    frames = [frame for frame in site["cond_indep_stack"] if frame.vectorized]
    ordered = sorted(frames, key=lambda frame: frame.dim)
    named = tuple((_plate_name(frame.name, result), frame.size) for frame in ordered)
    return Shape(named, tuple(site["fn"].event_shape))


def _plate_name(name: str, result: Fit) -> str:
    """The name of a plate as a dimension: "row" for that of data rows."""
    rows = result.latents.row_plate
    if rows is not None and name == rows.name:
        return ROW
    return f"{name}_plate" if name in ("chain", "draw", ROW) else name


def _attributes(result: Fit, split: str, metrics: Metrics | None) -> dict[str, str | int]:
    """What made the file: the command, the fit and its verdict."""
    made: Any = provenance(result.task.data)
    found: dict[str, str | int] = {
        "inference_library": "pyro-zoo",
        "inference_library_version": made["versions"]["pyro-zoo"],
        "command": made["command"],
        "commit": made["commit"] or "unknown",
        "model": result.task.name,
        "guide": guide_words(result.guide_spec),
        "objective": str(result.settings.objective),
        "seed": result.settings.seed,
        "steps": len(result.losses),
        "stopped": result.stopped,
        "data": result.task.data.name,
        "data_hash": result.task.data.hash,
        "split": split,
        "chains": f"{CHAINS} parts of independent draws from the guide",
    }
    return found | ({"verdict": metrics.verdict} if metrics is not None else {})


def _densities(program: Program, args: tuple, rows: int | None, count: int) -> dict[str, Tensor]:
    """Log densities of draws; none where they mean nothing, see :mod:`zoo.sampling.weighable`."""
    try:
        found = draw_weighted(program, args, count, rows=rows)
    except ValueError:
        return {}
    log_p, log_q = found.log_p.sum(1), found.log_q.sum(1)
    return {"lp": log_p, "log_q": log_q, "log_weight": log_p - log_q}
