"""Captured steps of this process, kept so that a second fit of the same program starts at once.

A kept step is looked up by what can be seen without a trace: the code of model and guide, every
number that they hold or refer to, the objective, the schedule, and the shapes of all tensors. It
is then compared with the plain step of the new program, as a fresh capture is. Steps that hold a
whole tensor as a constant are not kept: of data in a closure, the comparison would see only the
rows of a minibatch.
"""

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
import torch
from torch import Tensor

from zoo.compile.captured import Captured
from zoo.compile.flat_parameters import FlatParameters, all_tensors
from zoo.copies import LIBRARIES, held, parts_of
from zoo.data.batches import Batches
from zoo.data.fingerprint import fingerprint_of
from zoo.program import Program
from zoo.torch_private import tree_flatten

MOST = 8  # captured steps that are kept; the one not used for longest goes
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.ndarray)
_kept = OrderedDict[Hashable, Captured]()


def look_up(key: Hashable | None) -> Captured | None:
    """The step kept under a key; None if there is none."""
    if key not in _kept:
        return None
    _kept.move_to_end(key)
    return _kept[key]


def keep(key: Hashable | None, captured: Captured) -> None:
    """Keeps a captured step, unless it holds a whole tensor as a constant."""
    if key is None or any(value.numel() > 1 for value in captured.constants):
        return
    _kept[key] = captured
    _kept.move_to_end(key)
    while len(_kept) > MOST:
        _kept.popitem(last=False)


def forget(key: Hashable | None = None) -> None:
    """Drops the step kept under a key; without one, all."""
    if key is None:
        _kept.clear()
    _kept.pop(key, None)


def structure_of(program: Program, rows: Batches, layout: FlatParameters) -> Hashable | None:
    """What a captured step is looked up by; None where that cannot be told."""
    leaves, nesting = tree_flatten((rows.args, program.kwargs))
    tensors = all_tensors(program)
    key = (
        _contents_of(program),
        program.objective,
        program.kl_weight,
        layout,
        tuple(_seen(tensors[name]) for name in (*layout.names, *layout.held)),
        tuple(_seen(leaf) for leaf in leaves),
        nesting,
        rows.order and (rows.order.rows, rows.order.batch),
        rows.observe,
        torch.get_default_dtype(),
    )
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _seen(value: object) -> Hashable:
    """A tensor without its values; anything else as it is."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    return type(value), value  # type: ignore[return-value]


def _contents_of(program: Program) -> tuple[object, ...]:
    """The code of model and guide, and every number that they hold or refer to."""
    own = {id(value) for value in all_tensors(program).values()}
    found = list[object]()
    for part in held([program.model, program.guide]):
        values = {i: x for i, x in enumerate(parts_of(part)) if _is_plain(x) and id(x) not in own}
        of_classes = [vars(kind) for kind in type(part).__mro__ if not _of_library(kind)]
        shared = [{n: x for n, x in each.items() if isinstance(x, PLAIN)} for each in of_classes]
        found += [type(part), getattr(part, "__code__", None), fingerprint_of((values, shared))]
    return tuple(found)


def _is_plain(value: object) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, Tensor) and value.numel() == 1)


def _of_library(kind: type) -> bool:
    return kind.__module__.split(".")[0] in LIBRARIES
