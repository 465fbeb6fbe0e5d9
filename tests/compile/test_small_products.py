"""Small products as multiplications and sums: the same numbers, without calls of a library."""

import pytest
import torch
from torch.fx import GraphModule

from zoo.compile.small_products import MOST, with_small_products_expanded
from zoo.torch_private import make_fx

PRODUCTS = {
    "mm": (torch.mm, [(3, 4), (4, 5)]),
    "mm_of_a_transpose": (lambda a, b: torch.mm(a, b.t()), [(3, 4), (5, 4)]),
    "outer": (torch.mm, [(3, 1), (1, 5)]),
    "bmm": (torch.bmm, [(2, 3, 4), (2, 4, 5)]),
    "mv": (torch.mv, [(3, 4), (4,)]),
    "dot": (torch.dot, [(4,), (4,)]),
    "addmm": (torch.addmm, [(5,), (3, 4), (4, 5)]),
    "baddbmm": (torch.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
}


def traced(function, shapes):
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    return make_fx(function)(*inputs), inputs


def calls(graph: GraphModule) -> set[str]:
    return {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}


def products(graph):
    return {name for name in calls(graph) if any(kind in name for kind in ("mm", "mv", "dot"))}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_small_product_becomes_a_sum(name):
    graph, inputs = traced(*PRODUCTS[name])
    before = graph.code
    expanded = with_small_products_expanded(graph)
    assert graph.code == before
    assert products(graph)
    assert not products(expanded)
    assert torch.allclose(expanded(*inputs), graph(*inputs), rtol=1e-12, atol=1e-12)
    shapes = [node.meta["val"].shape for node in expanded.graph.nodes if "val" in node.meta]
    assert graph(*inputs).shape in shapes


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (torch.mm, [(MOST, 1), (1, 2)]),
        (torch.bmm, [(2, MOST, 1), (2, 1, 1)]),
        (lambda b, x, y: torch.addmm(b, x, y, alpha=2.0), [(5,), (3, 4), (4, 5)]),
        (lambda x, y: torch.mm(x.long(), y.long()), [(3, 4), (4, 5)]),
    ],
)
def test_others_stay(function, shapes):
    """Large ones, those with factors of their own, and those of whole numbers."""
    graph, inputs = traced(function, shapes)
    expanded = with_small_products_expanded(graph)
    assert products(expanded) == products(graph)
    assert torch.equal(expanded(*inputs), graph(*inputs))
