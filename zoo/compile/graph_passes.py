"""Linear algebra that fails inside a captured step: NaN in the place of an exception.

A compiled loop cannot raise: the check that a Cholesky factor exists is an effect that the
compiler refuses there, and without it an unfinished factor would be taken for one. The factor of
a matrix that is not positive definite becomes NaN, and so do loss and gradients, which the
training loop finds as it finds any divergence.
"""

import math

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
CHECK = aten._linalg_check_errors.default


def poison_failures(graph: GraphModule) -> None:
    """Takes every check of a factorisation out of a graph, and makes failed factors NaN."""
    for check in graph.graph.find_nodes(op="call_function", target=CHECK):
        info = check.args[0]
        assert isinstance(info, Node)
        for factor in _factors(info):
            _poison(graph, factor, info)
        graph.graph.erase_node(check)


def _factors(info: Node) -> list[Node]:
    """The first result of the factorisation whose second is `info`, where a graph takes it."""
    whole = info.args[0]
    assert isinstance(whole, Node)
    return [user for user in whole.users if user.args[1:] == (0,)]


def _poison(graph: GraphModule, factor: Node, info: Node) -> None:
    order = list(graph.graph.nodes)
    with graph.graph.inserting_before(order[max(map(order.index, (factor, info))) + 1]):
        failed = graph.graph.call_function(aten.ne.Scalar, (info, 0))
        for _ in range(2):
            failed = graph.graph.call_function(aten.unsqueeze.default, (failed, -1))
        poisoned = graph.graph.call_function(aten.masked_fill.Scalar, (factor, failed, math.nan))
    factor.replace_all_uses_with(poisoned, delete_user_cb=lambda user: user is not poisoned)
