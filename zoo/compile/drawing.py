"""A module that draws random numbers, as machine code that takes its noise as an input.

It is for what is run thousands of times on tensors of the same shapes without a gradient, as the
importance weights of many draws.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functionalize
from torch.fx import GraphModule

from zoo.compile.capture import Answers
from zoo.compile.code_cache import Packaged
from zoo.compile.graph_passes import CHECK, refuse_hidden_noise, skip_copies
from zoo.compile.loop_key import graph_key
from zoo.compile.noise import ExplicitNoise, Spec, record, replay
from zoo.compile.step_loop import quiet
from zoo.compile.verify import CaptureError, first_difference
from zoo.handlers.substitution import call_with
from zoo.isolation import isolated
from zoo.torch_private import make_fx

Tensors = tuple[Tensor, ...]
Draw = Callable[..., Tensor]
FULL = torch.ops.aten.full.default


def compiled_draw(module: nn.Module, inputs: Tensors, others: Tensors) -> Draw | None:
    """The call of a module as machine code, for inputs of these shapes.

    It takes its noise from torch's random state in the order in which the module does, so that
    its values differ from the module's by rounding alone. The code is kept on disk for later
    processes. Before it is used it is compared with the module on both inputs, under the same
    noise.

    Args:
        module: returns one tensor, without a gradient and without changing anything.
        inputs: an example of its inputs.
        others: inputs of the same shapes with other values.

    Returns:
        The code; None where the module cannot be traced or compiled, or where the code does not
        give the module's values.
    """
    with isolated(), quiet(), torch.no_grad():
        try:
            code = _Code(module, inputs)
            if all(code.agrees(module, each) for each in (inputs, others)):
                return code
        except Exception:  # noqa: BLE001  # whatever a model does that the tracer does not know
            return None
    return None


class _Code:
    """The machine code of a module, and the noise that it takes."""

    def __init__(self, module: nn.Module, inputs: Tensors) -> None:
        named = dict(module.named_parameters()) | dict(module.named_buffers())
        self.tensors = tuple(value.detach() for value in named.values())
        self.specs: list[Spec] = []
        with ExplicitNoise(record(self.specs)), Answers():
            module(*inputs)
        graph = _traced(partial(_call, module, tuple(named)), self.tensors, inputs, self.noise())
        self.code = Packaged(lambda: graph, partial(graph_key, graph), _returned, {})

    def noise(self) -> Tensors:
        """Fresh noise from the global random state."""
        return tuple(spec.draw() for spec in self.specs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self._take(inputs, self.noise())

    def _take(self, inputs: Tensors, noise: Tensors) -> Tensor:
        return self.code(self.tensors, inputs, noise)[0]

    def agrees(self, module: nn.Module, inputs: Tensors) -> bool:
        """Does the code give what the module gives, under the same noise?"""
        noise = self.noise()
        found = self._take(inputs, noise)
        with ExplicitNoise(replay(noise)):
            expected = module(*inputs)
        return first_difference({"": found}, {"": expected}) is None


def _call(
    module: nn.Module, names: tuple[str, ...], tensors: Tensors, inputs: Tensors, noise: Tensors
) -> tuple[object]:
    """The module's value as a function of its tensors, its inputs and the noise."""
    with ExplicitNoise(replay(noise)), Answers():
        return (call_with(module, dict(zip(names, tensors, strict=True)), inputs),)


def _returned(tensors: Tensors, inputs: Tensors, noise: Tensors) -> tuple[Tensor]:
    """What the code returns, by its structure."""
    return (inputs[0],)


def _traced(function: Callable, *args: Tensors) -> GraphModule:
    """The function as a graph of tensor operations.

    Raises:
        CaptureError: if it draws by itself, or factorises matrices: code cannot raise the error of
            one that has no factor.
    """
    copies = tuple(tuple(value.clone() for value in part) for part in args)
    graph = make_fx(functionalize(make_fx(function)(*copies)))(*copies)
    refuse_hidden_noise(graph)
    if graph.graph.find_nodes(op="call_function", target=CHECK):
        raise CaptureError("It factorises a matrix.")
    skip_copies(graph)
    _write_out_numbers(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _write_out_numbers(graph: GraphModule) -> None:
    """Makes each constant of one number where it is used: the compiler fails on them otherwise."""
    for node in graph.graph.find_nodes(op="get_attr"):
        value = getattr(graph, str(node.target))
        if isinstance(value, Tensor) and not value.dim():
            with graph.graph.inserting_before(node):
                made = graph.graph.call_function(FULL, ([], value.item()), {"dtype": value.dtype})
            node.replace_all_uses_with(made)
