"""What is done to a traced graph: noise of its own is refused, copies and checks are taken out.

Factorisations that fail inside a captured step give NaN in the place of an exception.
A compiled loop cannot raise an exception, so torch's check that a Cholesky factor exists cannot be
compiled. Without the check an unfinished factor would be used as if it were right. So the factor
of a matrix that is not positive definite is set to NaN. Loss and gradients become NaN too, and the
training loop stops as for any other divergence.
"""

import math

import torch
from torch.fx import GraphModule, Node

from zoo.compile.verify import CaptureError

aten = torch.ops.aten
COPY = aten.copy.default
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


def refuse_hidden_noise(graph: GraphModule) -> None:
    """Refuses a step that still draws random numbers by itself.

    Raises:
        CaptureError: naming the function that draws them.
    """
    for node in graph.graph.nodes:
        tags = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags:
            raise CaptureError(
                f"The step draws random numbers by {node.target}, which is no function of a given "
                "number of normals and uniforms (Poisson and Binomial are drawn by trial and "
                "error): zoo.compile.noise has no rule for it, so that replicas would share its "
                "draws. Use the plain step, compile=False, or another distribution."
            )


def skip_copies(graph: GraphModule) -> None:
    """Removes copies of a tensor onto one of the same shape and type.

    In-place operations leave them behind, and vmap would do them one replica at a time.
    """
    for node in graph.graph.find_nodes(op="call_function", target=COPY):
        into, source = (argument.meta["val"] for argument in node.args[:2])
        if (into.shape, into.dtype) == (source.shape, source.dtype):
            node.replace_all_uses_with(node.args[1])
