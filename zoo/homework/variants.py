"""Right solutions made unusual by a wrapper: what a grader may not punish.

Each wrapper takes the student's function and gives one with the same results, computed or
returned in another way. Those that would cut a gradient are for parts without a driver.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from zoo.homework.shapes import named_results
from zoo.homework.sheets import Part

Function = Callable[..., Any]


def _mapped(change: Callable[[Tensor], Any], value: Any) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(change, one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(change, one) for one in value)
    return value


def _widened(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def _strided(value: Tensor) -> Tensor:
    """The same numbers, not contiguous in memory."""
    return torch.stack([value, value], -1)[..., 0]


def float64_inside(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Computed in float64 and rounded to the type of the inputs."""
    given = [*values, *named.values()]
    if not all(isinstance(one, (Tensor, int, float)) for one in given):
        return function(*values, **named)
    kinds = {one.dtype for one in given if isinstance(one, Tensor) and one.is_floating_point()}
    value = function(*_mapped(_widened, values), **_mapped(_widened, named))
    if len(kinds) != 1:
        return value
    (kind,) = kinds
    return _mapped(lambda one: one.to(kind) if one.is_floating_point() else one, value)


def strided_results(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Results that are not contiguous."""
    return _mapped(_strided, function(*values, **named))


def strided_inputs(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Inputs that are not contiguous."""
    return function(*_mapped(_strided, values), **_mapped(_strided, named))


def results_in_a_dict(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Results as a dict, in another order."""
    results = named_results(part.returns, function(*values, **named))
    return dict(reversed(list(results.items())))


def results_in_a_list(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Several results as a list."""
    value = function(*values, **named)
    return list(value) if isinstance(value, tuple) else value


def more_draws(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Draws of its own before."""
    torch.rand(7), torch.randn(3)
    return function(*values, **named)


def called_twice(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Computed twice; the second time counts."""
    function(*values, **named)
    return function(*values, **named)


def concatenated(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Results taken out of a batch of size one."""
    return _mapped(
        lambda one: torch.cat([one.unsqueeze(0)]).squeeze(0), function(*values, **named)
    )


def without_gradients(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Under no_grad."""
    with torch.no_grad():
        return _mapped(torch.clone, function(*values, **named))


def through_numpy(part: Part, function: Function, *values: Any, **named: Any) -> Any:
    """Results as arrays of numpy."""
    return _mapped(lambda one: one.detach().numpy(), function(*values, **named))


WRAPPERS: dict[str, Callable[..., Any]] = {
    "float64_inside": float64_inside,
    "strided_results": strided_results,
    "strided_inputs": strided_inputs,
    "results_in_a_dict": results_in_a_dict,
    "results_in_a_list": results_in_a_list,
    "more_draws": more_draws,
    "called_twice": called_twice,
    "concatenated": concatenated,
}
CUTTING = {"without_gradients": without_gradients, "through_numpy": through_numpy}


def variants_of(part: Part, *, driven: bool) -> dict[str, Callable[[Function], Function]]:
    """The wrappers for a part by name.

    Args:
        part: of a sheet.
        driven: has it a driver, which may need gradients?
    """
    wrappers = WRAPPERS | ({} if driven else CUTTING)
    return {name: partial(partial, wrap, part) for name, wrap in wrappers.items()}
