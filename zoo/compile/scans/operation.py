"""Scans in a captured step: each is one operation of the program, and one loop when compiled.

While a step is traced, the function of a scan is traced once into a body, and the scan enters the
program as one operation, ``zoo::scan``, that names the body. Its gradient is a second scan, from
the last time to the first, over the carries that the first one kept.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from zoo.compile.noise import ExplicitNoise, Spec
from zoo.compile.scans.body import Body, Tensors, body_of, lifted, traced_body
from zoo.compile.verify import CaptureError
from zoo.handlers.scan import Flat, python_loop
from zoo.torch_private import in_a_transform


@torch.library.custom_op("zoo::scan", mutates_args=())
def scan_operation(
    key: str, init: Sequence[Tensor], xs: Sequence[Tensor], read: Sequence[Tensor]
) -> list[Tensor]:
    """Runs a body over xs, time by time.

    Args:
        key: of the body.
        init: leaves of the first carry.
        xs: leaves of xs, each of shape (T, ...).
        read: what the body reads besides.

    Returns:
        The leaves of the last carry, then those of all y, each of shape (T, ...).
    """
    graph, carry, rows = body_of(key).graph, list(init), []
    for x in zip(*(column.contiguous().unbind(0) for column in xs), strict=True):
        found = graph(*(value.contiguous() for value in (*carry, *x, *read)))
        carry = found[: len(init)]
        rows.append(found[len(init) :])
    return [value.clone() for value in carry] + [torch.stack(y) for y in zip(*rows, strict=True)]


OPERATION = torch.ops.zoo.scan.default


@scan_operation.register_fake
def _(key: str, init: Tensors, xs: Tensors, read: Tensors) -> Tensors:
    shown, times = body_of(key).shown, xs[0].shape[0]
    lead = [()] * len(init) + [(times,)] * (len(shown) - len(init))
    return [
        xs[0].new_empty((*n, *v.shape), dtype=v.dtype) for n, v in zip(lead, shown, strict=True)
    ]


@scan_operation.register_vmap
def _(info: Any, in_dims: tuple, key: str, init: Tensors, xs: Tensors, read: Tensors) -> tuple:
    """Replicas side by side: one scan whose body has their dimension first in each tensor."""
    size, (_, of_init, of_xs, of_read) = info.batch_size, in_dims
    init = [_first(value, dim, size) for value, dim in zip(init, of_init, strict=True)]
    xs = [x if d is None else x.movedim(d, 1) for x, d in zip(xs, of_xs, strict=True)]
    read = [r if d is None else r.movedim(d, 0) for r, d in zip(read, of_read, strict=True)]
    own = tuple(dim is not None for dim in (*of_xs, *of_read))
    found = OPERATION(_batched(key, size, own).key, init, xs, read)
    return found, [0] * len(init) + [1] * (len(found) - len(init))


def _first(value: Tensor, dim: int | None, size: int) -> Tensor:
    """The value with the dimension of replicas in front."""
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)


@cache
def _batched(key: str, size: int, own: tuple[bool, ...]) -> Body:
    """The body for so many replicas; `own` tells which tensors beside the carry differ in them."""
    body = body_of(key)
    dims = (0,) * body.carries + tuple(0 if each else None for each in own)
    nodes = body.graph.graph.find_nodes(op="placeholder")
    inputs = [
        torch.zeros((size,) * (dim == 0) + tuple(v.shape), dtype=v.dtype, device=v.device)
        for v, dim in zip((node.meta["val"] for node in nodes), dims, strict=True)
    ]
    batched = torch.vmap(body.graph, in_dims=dims)
    with ThreadPoolExecutor(1) as beside:  # torch cannot start a vmap inside the rule of another
        return beside.submit(traced_body, batched, body.carries, inputs).result()


class Scan(torch.autograd.Function):
    """The operation with its gradient, which is the operation on another body.

    It returns the carry before each time too, since it reads it again for its gradient, and a
    second derivative has to know where that came from.
    """

    @staticmethod
    def forward(ctx: Any, recording: Body, columns: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Runs the scan of a body that returns the carry which it is given."""
        count = recording.carries
        init, xs, read = _cut(tensors, count, columns)
        found = OPERATION(recording.key, init, xs, read)
        ctx.body, ctx.counts = recording, (count, columns)
        ctx.save_for_backward(*found[count : 2 * count], *xs, *read)
        ctx.set_materialize_grads(False)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple:
        """A scan from the last time to the first."""
        count, columns = ctx.counts
        carries, xs, read = _cut(ctx.saved_tensors, count, columns)
        needed = ctx.needs_input_grad[2 + count :]
        given = {i: g for i, g in enumerate(gradients[count:], count) if g is not None}
        task = Task(
            real=tuple(i for i in range(count) if carries[i].is_floating_point()),
            of_xs=tuple(i for i in range(columns) if needed[i]),
            of_read=tuple(i for i in range(len(read)) if needed[columns + i]),
            outcomes=tuple(given),
        )
        begin = [_or_zeros(gradients[i], carries[i][0]) for i in task.real]
        begin += [torch.zeros_like(read[i]) for i in task.of_read]
        rows = [value.flip(0) for value in (*carries, *xs, *given.values())]
        last, ys = run(_derivative(ctx.body, columns, task), begin, rows, read)
        found: list[Tensor | None] = [None] * (count + columns + len(read))
        places = [*task.real, *(count + columns + i for i in task.of_read)]
        places += [count + i for i in task.of_xs]
        for place, value in zip(places, (*last, *(y.flip(0) for y in ys)), strict=True):
            found[place] = value
        return None, None, *found


class Task(NamedTuple):
    """What a derivative is for, each by its places.

    Attributes:
        real: leaves of the carry that have gradients: all but whole numbers.
        of_xs: leaves of xs whose gradient is wanted.
        of_read: tensors read besides whose gradient is wanted.
        outcomes: what the body returns, beside the carry, that has a gradient.
    """

    real: tuple[int, ...]
    of_xs: tuple[int, ...]
    of_read: tuple[int, ...]
    outcomes: tuple[int, ...]


def _or_zeros(value: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if value is None else value


def _cut(tensors: Sequence[Tensor], count: int, columns: int) -> tuple[Tensors, Tensors, Tensors]:
    """Tensors of the carry, of xs, and all others."""
    ends = count, count + columns
    return list(tensors[: ends[0]]), list(tensors[ends[0] : ends[1]]), list(tensors[ends[1] :])


@cache
def _derivative(body: Body, columns: int, task: Task) -> Body:
    """The body of the gradient: it carries that of the carry, and sums of those of `read`.

    Its x are the carry before that time, x, and the gradients of y; its y are gradients of x.
    """
    count, reads, sums = body.carries, len(body.inputs) - body.carries - columns, len(task.of_read)
    moving = [*task.real, *(count + columns + i for i in task.of_read)]
    moving += [count + i for i in task.of_xs]

    def step(*tensors: Tensor) -> Tensors:
        begun, rest = tensors[: len(task.real) + sums], tensors[len(task.real) + sums :]
        after, total = begun[: len(task.real)], begun[len(task.real) :]
        given = rest[count + columns : len(rest) - reads]
        leaves = [v.detach() for v in (*rest[: count + columns], *rest[len(rest) - reads :])]
        with torch.enable_grad():
            wanted = [leaves[i].requires_grad_() for i in moving]
            found = Differentiable(body.graph).run(*leaves)
            places = zip((*task.real, *task.outcomes), (*after, *given), strict=True)
            pairs = [(found[i], g) for i, g in places if found[i].requires_grad]
            values, weights = zip(*pairs, strict=True)
            got = torch.autograd.grad(values, wanted, weights, materialize_grads=True)
        added = [a + b for a, b in zip(total, got[len(task.real) :][:sums], strict=True)]
        return [*got[: len(task.real)], *added, *got[len(task.real) + sums :]]

    carries, xs, read = _cut(body.inputs, count, columns)
    begin = [*(carries[i] for i in task.real), *(read[i] for i in task.of_read)]
    given = [
        torch.zeros(v.shape, dtype=v.dtype, device=v.device)
        for v in (body.shown[i] for i in task.outcomes)
    ]
    return traced_body(step, len(begin), [*begin, *carries, *xs, *given, *read])


class Differentiable(fx.Interpreter):
    """Runs a graph whose scans have gradients."""

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """Runs a scan with its gradient, and anything else as it is."""
        if target is not OPERATION:
            return super().call_function(target, args, kwargs)
        key, *tensors = args
        last, ys = run(body_of(key), *tensors)
        return [*last, *ys]


def run(body: Body, init: Tensors, xs: Tensors, read: Tensors) -> tuple[Tensors, Tensors]:
    """The last carry and all y of a scan, with gradients where torch keeps any."""
    tensors = (*init, *xs, *read)
    if torch.is_grad_enabled() and any(value.requires_grad for value in tensors):
        found = list(Scan.apply(body.recording, len(xs), *tensors))
        del found[body.carries : 2 * body.carries]
    else:
        found = OPERATION(body.key, init, xs, read)
    return found[: body.carries], found[body.carries :]


def calls(graph: fx.GraphModule, target: Any) -> bool:
    """Is the operation called in a graph, or in a body of its scans?"""
    scans = graph.graph.find_nodes(op="call_function", target=OPERATION)
    inside = any(calls(body_of(node.args[0]).graph, target) for node in scans)
    return inside or bool(graph.graph.find_nodes(op="call_function", target=target))


def as_an_operation(flat: Flat) -> tuple[Tensors, Tensors]:
    """Runs a scan as one operation, for the program that is being traced.

    Raises:
        CaptureError: if its function draws random numbers.
    """
    if in_a_transform():
        return python_loop(flat)
    example = [*flat.init, *(column[0] for column in flat.xs)]
    with ExplicitNoise(_refuse):
        graph, read = lifted(flat.step, example)
    body = traced_body(graph, len(flat.init), [*example, *read])
    return run(body, flat.init, flat.xs, read)


def _refuse(spec: Spec) -> Tensor:
    raise CaptureError(
        f"The function of a scan draws random numbers of shape {spec.shape}. Draw those of all "
        "times before the scan, and pass them as xs."
    )
