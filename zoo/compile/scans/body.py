"""The function of a scan as a graph, and the graph of its derivative.

A body takes the leaves of a carry, of one x, and of what the function reads besides; it returns
those of the next carry and of y. Bodies are known by a hash of their text, so that an operation
of torch can name one in an argument.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import functionalize
from torch.fx import GraphModule

from zoo.compile.graph_passes import poison_failures, refuse_hidden_noise, skip_copies
from zoo.torch_private import make_fx, untraced

Tensors = list[Tensor]


@dataclass(frozen=True)
class Body:
    """The function of a scan as a graph.

    Attributes:
        graph: of the leaves of carry, x and the tensors that are read besides, in that order.
        carries: number of leaves of the carry.
    """

    graph: GraphModule
    carries: int

    @cached_property
    def key(self) -> str:
        """A hash of its text, by which :func:`body_of` finds it."""
        text = self.graph.print_readable(print_output=False, include_stride=True)
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        return hashlib.sha256("\n".join([str(self.carries), *lines]).encode()).hexdigest()

    @property
    def shown(self) -> Tensors:
        """Examples of what it returns, without values: the next carry and y."""
        returned: Any = self.graph.graph.output_node().args[0]
        return [node.meta["val"] for node in returned]

    @property
    def inputs(self) -> Tensors:
        """Examples of what it takes, all zeros."""
        values = [node.meta["val"] for node in self.graph.graph.find_nodes(op="placeholder")]
        return [torch.zeros(v.shape, dtype=v.dtype, device=v.device) for v in values]

    @cached_property
    def recording(self) -> "Body":
        """The same with the carry that it is given before its y: what a derivative needs."""

        def record(*tensors: Tensor) -> Tensors:
            found = self.graph(*tensors)
            return [*found[: self.carries], *tensors[: self.carries], *found[self.carries :]]

        return traced_body(record, self.carries, self.inputs)


_BODIES: dict[str, Body] = {}


def body_of(key: str) -> Body:
    """The body of that key."""
    return _BODIES[key]


def traced_body(function: Callable[..., Tensors], carries: int, inputs: Tensors) -> Body:
    """A function of tensors, all of which are its arguments, as a body that its key finds.

    Raises:
        CaptureError: if it draws random numbers by itself.
    """
    with untraced(), torch.no_grad():
        examples = [_copied(value) for value in inputs]
        graph = make_fx(functionalize(make_fx(function)(*examples)))(*examples)
    refuse_hidden_noise(graph)
    skip_copies(graph)
    poison_failures(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    found = Body(graph, carries)
    return _BODIES.setdefault(found.key, found)


def lifted(function: Callable[..., Tensors], inputs: Tensors) -> tuple[GraphModule, Tensors]:
    """A function as a graph whose further inputs are the tensors that it reads besides its own.

    Returns:
        The graph, and those tensors themselves, so that gradients reach them.
    """
    with untraced():
        graph = make_fx(function)(*map(_copied, inputs))
    read: dict[int, tuple[Any, Tensor]] = {}
    last = list(graph.graph.find_nodes(op="placeholder"))[-1]
    for node in graph.graph.find_nodes(op="get_attr"):
        value = getattr(graph, str(node.target))
        if id(value) not in read:
            with graph.graph.inserting_after(last):
                last = graph.graph.placeholder(f"read_{len(read)}")
            read[id(value)] = last, value
        node.replace_all_uses_with(read[id(value)][0])
        graph.graph.erase_node(node)
    graph.recompile()
    return graph, [value for _, value in read.values()]


def _copied(value: Tensor) -> Tensor:
    """A copy that no gradient and no other input knows of, its numbers in a row."""
    return value.detach().clone(memory_format=torch.contiguous_format)
