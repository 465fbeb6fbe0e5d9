"""Pyro's own checks, made once before training: steps run without them.

A model is refused here for what Pyro would refuse it for: data outside the support of their
distribution, parameters outside their constraint, and sites whose batch belongs to no plate.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from pyro import poutine
from pyro.poutine.trace_struct import Trace
from pyro.util import check_site_shape
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions.constraints import Constraint

from zoo.isolation import validated
from zoo.pairing.guide_sites import check_guide_sites, check_observes_nothing
from zoo.sites.supports import in_words, of_one_element
from zoo.traces import Traces, sample_sites, score

WAY_OUT = (
    "Before training, model and guide run once under Pyro's validation. If the values are meant, "
    "pass validate_args=False to that distribution."
)


class Observed(NamedTuple):
    """An observed site whose value is an argument of the model, as it was passed."""

    site: str
    position: int
    support: Constraint


def checked_run(
    model: Callable, guide: Callable, args: tuple, kwargs: dict, *, declares: bool = False
) -> Traces:
    """Runs guide and model once, under Pyro's validation where the caller has it on.

    Raises:
        ValueError: what Pyro's validation finds, with the site where it knows one.
    """
    with validated() as is_on:
        try:
            guide_trace = poutine.trace(guide).get_trace(*args, **kwargs)
            check_observes_nothing(guide_trace)
            traces = score(model, guide_trace, args, kwargs)
            if not declares:
                check_guide_sites(traces)
            for trace in traces if is_on else ():
                for site in sample_sites(trace):
                    check_site_shape(site, math.inf)  # type: ignore[arg-type]
        except ValueError as error:
            if is_on:
                error.add_note(WAY_OUT)
            raise
        except NotImplementedError as error:
            if "sampling" not in str(error):
                raise
            raise ValueError(
                f"The guide starts from a draw of the prior, and there is none: "
                f"{str(error).splitlines()[0]}. Use a "
                "guide of the zoo, or give Pyro's init_loc_fn=init_to_value(values={...})."
            ) from error
    return traces


def observed_arguments(trace: Trace, args: tuple) -> tuple[Observed, ...]:
    """The observed sites whose support says of every further row whether it may be there."""
    places = {id(arg): i for i, arg in enumerate(args)}
    return tuple(
        Observed(str(site["name"]), places[id(site["value"])], site["fn"].support)  # type: ignore[attr-defined]
        for site in sample_sites(trace)
        if id(site["value"]) in places and _is_checked(site["fn"])
    )


def check_rows(observed: tuple[Observed, ...], args: tuple) -> None:
    """Refuses rows, beyond those of the first minibatch, that lie outside of their support.

    Raises:
        ValueError: naming the site and the first such row.
    """
    for site in observed:
        rows = args[site.position]
        inside = site.support.check(rows)
        inside = inside.reshape(len(rows), -1).all(1) if inside.dim() else inside.expand(len(rows))
        if not inside.all():
            row = int((~inside).nonzero()[0])
            raise ValueError(
                f"Expected values of '{site.site}' to be "
                f"{in_words(site.support, rows.shape[1:])}; row {row} has "
                f"{rows[row].flatten()[:4].tolist()}. Mend the data, or pass "
                "validate_args=False to the distribution."
            )


def _is_checked(fn: object) -> bool:
    """Does the distribution check its values, against a support that is the same for all rows?"""
    inner = fn
    while isinstance(inner, Independent):
        inner = inner.base_dist
    if not isinstance(inner, Distribution) or not inner._validate_args:
        return False
    element = of_one_element(fn.support)  # type: ignore[attr-defined]
    return not any(isinstance(part, Tensor) and part.dim() for part in vars(element).values())
