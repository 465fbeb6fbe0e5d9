"""Scans as loops that the compiler knows: several times in a row, then on to the next few.

A turn of a compiled loop takes time besides its arithmetic, so a short body is written out for
several times in each turn. A scan on a GPU, or of fewer than two turns, is written out whole.
"""

import copy

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.compile.scans.body import Body, Tensors, body_of
from zoo.compile.scans.operation import OPERATION
from zoo.compile.small_products import with_small_products_expanded
from zoo.torch_private import scan

LONGEST = 256  # operations in one turn of a loop, of which there may be at most
Both = tuple[Tensors, Tensors]
TURN = 16  # times in one turn, at most


class Loop(nn.Module):
    """A scan of one body.

    Args:
        body: the body.
    """

    def __init__(self, body: Body) -> None:
        super().__init__()
        graph = with_small_products_expanded(body.graph)
        self.graph, self.carries = with_loops(graph), body.carries
        operations = len(graph.graph.find_nodes(op="call_function", target=OPERATION))
        operations = LONGEST if operations else len(graph.graph.nodes)
        self.turn = max(1, min(TURN, LONGEST // operations))

    def forward(self, init: Tensors, xs: Tensors, read: Tensors) -> Tensors:
        """The leaves of the last carry, then those of all y."""
        times, turn = xs[0].shape[0], self.turn
        whole = times // turn * turn
        looped = torch.compiler.is_compiling() and xs[0].device.type == "cpu"
        if not looped or times < max(2, 2 * turn):
            carry, ys = self._times(list(init), xs, read)
            return [*carry, *ys]
        turns = [_owned(x[:whole].reshape(whole // turn, turn, *x.shape[1:])) for x in xs]
        read = [_owned(value) for value in read]

        def step(carry: Tensors, rows: Tensors) -> Both:
            carry, ys = self._times(carry, rows, read)
            return [value.clone() for value in carry], ys

        carry, ys = scan(step, [_owned(value) for value in init], turns)
        ys = [y.reshape(whole, *y.shape[2:]) for y in ys]
        if whole < times:
            carry, more = self._times(carry, [x[whole:] for x in xs], read)
            ys = [torch.cat(both) for both in zip(ys, more, strict=True)]
        return [*carry, *ys]

    def _times(self, carry: Tensors, xs: Tensors, read: Tensors) -> tuple[Tensors, Tensors]:
        """Several times written out one after another."""
        rows = []
        for t in range(xs[0].shape[0]):
            inputs = (*carry, *(x[t] for x in xs), *read)
            found = self.graph(*(value.contiguous() for value in inputs))
            carry = list(found[: self.carries])
            rows.append(found[self.carries :])
        return carry, [torch.stack(y) for y in zip(*rows, strict=True)]


def _owned(value: Tensor) -> Tensor:
    """The value in memory of its own, by an operation that the compiler does not see through.

    Compiled by torch 2.14, a loop that reads a view with the layout of what it is a view of frees
    that view at every turn, from the second on twice.
    """
    return torch.where(value == value, value, value)  # noqa: PLR0124


def with_loops(graph: GraphModule) -> GraphModule:
    """A copy of a captured graph whose scans are loops; the graph itself if it has none."""
    scans = graph.graph.find_nodes(op="call_function", target=OPERATION)
    if not scans:
        return graph
    graph = GraphModule(graph, copy.deepcopy(graph.graph))
    for i, node in enumerate(graph.graph.find_nodes(op="call_function", target=OPERATION)):
        name = f"scan_{i}"
        graph.add_submodule(name, Loop(body_of(node.args[0])))
        with graph.graph.inserting_before(node):
            loop = graph.graph.call_module(name, node.args[1:])
        loop.meta = dict(node.meta)
        node.replace_all_uses_with(loop)
        graph.graph.erase_node(node)
    graph.recompile()
    return graph
