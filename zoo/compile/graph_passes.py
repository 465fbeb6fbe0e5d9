"""Factorisations that fail inside a captured step give NaN in the place of an exception.

A compiled loop cannot raise an exception, so torch's check that a Cholesky factor exists cannot be
compiled. Without the check an unfinished factor would be used as if it were right. So the factor
of a matrix that is not positive definite is set to NaN. Loss and gradients become NaN too, and the
training loop stops as for any other divergence.
"""

import math

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
CHECK = aten._linalg_check_errors.default


def poison_failures(graph: GraphModule) -> None:
    """Removes every check of a factorisation from a graph; factors that fail it become NaN."""
    for check in graph.graph.find_nodes(op="call_function", target=CHECK):
        info = check.args[0]
        assert isinstance(info, Node)
        for factor in _factors(info):
            _poison(graph, factor, info)
        graph.graph.erase_node(check)


def _factors(info: Node) -> list[Node]:
    """The nodes that take the factor out of the factorisation that returned (factor, info)."""
    whole = info.args[0]
    assert isinstance(whole, Node)
    return [user for user in whole.users if user.args[1:] == (0,)]


def _poison(graph: GraphModule, factor: Node, info: Node) -> None:
    """Replaces a factor by NaN in every matrix whose `info` is not 0."""
    order = list(graph.graph.nodes)
    with graph.graph.inserting_before(order[max(map(order.index, (factor, info))) + 1]):
        failed = graph.graph.call_function(aten.ne.Scalar, (info, 0))
        for _ in range(2):
            failed = graph.graph.call_function(aten.unsqueeze.default, (failed, -1))
        poisoned = graph.graph.call_function(aten.masked_fill.Scalar, (factor, failed, math.nan))
    factor.replace_all_uses_with(poisoned, delete_user_cb=lambda user: user is not poisoned)
