"""One SVI step as a pure tensor program, backward pass included.

Its inputs are the parameters, the buffers, the step number, the row numbers, the noise and the
data; its outputs are the loss, the gradient and the new buffers. It is traced by ``make_fx`` from
the code of the plain step, and is compared with that step under the same noise before it is used.
"""

import sys
from collections.abc import Callable, Sequence

import pyro
import torch
from torch import Tensor, nn
from torch.func import functionalize
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from zoo.checks.blame import why_not_traced
from zoo.compile.captured import Captured
from zoo.compile.flat_parameters import FlatParameters, flat_parameters_of
from zoo.compile.gamma_noise import take_batches
from zoo.compile.graph_passes import poison_failures, refuse_hidden_noise, skip_copies
from zoo.compile.noise import ExplicitNoise, Source, Spec, draw_noise, record, replay
from zoo.compile.scans.operation import as_an_operation
from zoo.compile.verify import CaptureError, Claim, verify
from zoo.data.batches import Batches
from zoo.handlers.late import NoLateParameters
from zoo.handlers.scan import scans_run_by
from zoo.handlers.substitution import call_with, same_parameters
from zoo.program import Program
from zoo.torch_private import make_fx, tree_leaves, written_nowhere


def capture(program: Program, rows: Batches, parameters: Sequence[nn.Parameter]) -> Captured:
    """One step of a program, captured and verified.

    Run it inside :func:`zoo.isolation.isolated`; it leaves the program as it was.

    Args:
        program: the program, in train mode.
        rows: its training data.
        parameters: those that are trained.

    Raises:
        CaptureError: if a part of the step cannot be traced, or if the captured step does not
            equal the plain one on fresh inputs; it names the tensor that differs and the likely
            cause.
    """
    _refuse_packed(rows.args)
    guard = NoLateParameters(program.store, program, CaptureError)
    averages = pyro.get_param_store()  # TraceGraph_ELBO keeps the averages of its baselines there
    with averages.scope(averages.get_state()), same_parameters(program) as lost, guard:
        found = _capture(program, rows, parameters)
    if lost:
        raise CaptureError(
            f"The step puts another tensor in the place of '{lost[0]}', and the capture would "
            "train that one. Give the module its parameters once, when it is built."
        )
    return found


def _capture(program: Program, rows: Batches, parameters: Sequence[nn.Parameter]) -> Captured:
    layout = flat_parameters_of(program, parameters)
    found = _trace(program, rows, layout)
    verify(Claim(found.graph, layout, found.noise), program, rows, parameters)
    return found


def _trace(program: Program, rows: Batches, layout: FlatParameters) -> Captured:
    parts, held, step, picked, args = example_inputs(program, rows, layout)
    specs: list[Spec] = []
    try:
        listen = step_function(program, rows, layout, lambda _: record(specs))
        listen(parts, held, step, picked, (), args)
        noise = draw_noise(specs)
        function = step_function(program, rows, layout, replay)
        inputs = (parts, held, step, picked, noise, args)
        with written_nowhere():
            traced = make_fx(function)(*inputs)
        with torch.no_grad():
            graph = make_fx(functionalize(traced))(*inputs)
    except CaptureError:
        raise
    except Exception as error:
        raise CaptureError(f"The step cannot be traced: {why_not_traced(error)}") from error
    refuse_hidden_noise(graph)
    skip_copies(graph)
    poison_failures(graph)
    take_batches(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return Captured(graph, layout, tuple(specs))


def _refuse_packed(args: tuple) -> None:
    if any(isinstance(arg, PackedSequence) for arg in tree_leaves(args, is_leaf=_is_packed)):
        raise CaptureError(
            "An argument is a PackedSequence: its rows are laid out by the lengths of the "
            "sequences, whose values are read. Use the plain step, or pass a padded tensor and a "
            "mask."
        )


def _is_packed(value: object) -> bool:
    return isinstance(value, PackedSequence)


def step_function(
    program: Program,
    rows: Batches,
    layout: FlatParameters,
    source_of: Callable[[Sequence[Tensor]], Source],
) -> Callable:
    """The plain step as a function of tensors, which runs the program's own modules on them.

    Args:
        program: the program.
        rows: its training data.
        layout: of the parameters.
        source_of: makes a source of noise from the noise that the step is given.
    """

    def step_of(
        parts: tuple[Tensor, ...],
        held: tuple[Tensor, ...],
        step: Tensor,
        picked: Tensor,
        noise: tuple[Tensor, ...],
        args: tuple,
    ) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        leaves = tuple(part.detach().requires_grad_() for part in parts)
        copies = {n: b.clone() for n, b in zip(layout.held, held, strict=True)}
        tensors = dict(zip(layout.names, leaves, strict=True)) | copies
        with ExplicitNoise(source_of(noise)), Answers(), scans_run_by(as_an_operation):
            chosen = picked if rows.order is not None else None
            batch = rows.take(chosen, args)
            loss = call_with(program, tensors, (step, chosen, *batch))
            assert isinstance(loss, Tensor)
        gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
        return loss.detach(), gradients, tuple(tensors[name].detach() for name in layout.held)

    return step_of


TRUTH = torch.Tensor.__bool__
GRADIENT = torch.Tensor.requires_grad.__get__  # type: ignore[attr-defined]
ANSWERS = {  # (method of a tensor, function that calls it) -> its value in a step without NaN
    # TraceEnum_ELBO: is every probability above 0? If not, it leaves out terms that are 0.
    (TRUTH, "pyro.infer.util.Dice.compute_expectation"): True,
    # TraceEnum_ELBO: should it warn that the loss, or its gradient, is not a number?
    (TRUTH, "pyro.util.warn_if_nan"): False,
    (GRADIENT, "pyro.util.warn_if_nan"): False,
    # A distribution that was built while validation was on: are its values and arguments valid?
    (TRUTH, "torch.distributions.distribution._all_true_or_runtime_assert"): True,
    (TRUTH, "torch.distributions.distribution.Distribution._validate_sample"): True,
    (TRUTH, "torch.distributions.distribution.Distribution.__init__"): True,
}


LEAVING = (torch.Tensor.numpy, torch.Tensor.__array__)  # no tracer follows a value from there


class Answers(TorchFunctionMode):
    """Gives library code the answers of :data:`ANSWERS`; all other code reads real values.

    Values that leave torch are refused, since nothing shows what becomes of them.
    """

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> object:
        """The answer for the function that asks, if there is one; else what `func` returns."""
        if func in LEAVING:
            raise CaptureError(
                "It reads the values of a tensor as a NumPy array, and they would be frozen as "
                "they were. Write that part in torch, or use the plain step, compile=False."
            )
        frame = sys._getframe(1)
        question = func, f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
        return ANSWERS[question] if question in ANSWERS else func(*args, **(kwargs or {}))


def example_inputs(program: Program, rows: Batches, layout: FlatParameters) -> tuple:
    """Inputs of a step without its noise, each tensor a copy of its own.

    The tracer would take two inputs that are the same tensor for one input.
    """
    flat, held = layout.read(program)
    parts = tuple(part.clone() for part in layout.split(flat).values())
    step = torch.full((), 1.0, device=flat.device)
    picked = torch.zeros(0, dtype=torch.int64)
    if rows.order is not None:
        picked = rows.order.block(0, 1)[0]
    args = tuple(arg.clone() if isinstance(arg, Tensor) else arg for arg in rows.args)
    return parts, held, step, picked.to(flat.device), args
