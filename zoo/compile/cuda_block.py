"""Blocks of steps on a GPU without the host in their loop: steps recorded once, then replayed.

On CUDA, torch's own loop asks the host after each step whether to go on. Here one compiled step
(torch.compile fuses it into few kernels) is called :data:`UNROLLED` times while a CUDA graph is
recorded; a replay of the graph then costs one launch. A graph reads and writes memory at fixed
addresses. So a block's state is copied in once, and before each replay the rows and the noise of
its steps, which were drawn for the block as on the CPU. A replay writes the state and the number
of the next step back; the learning rate's schedule is computed from that number in each step. What
is left over of a block is taken by replays of a graph of one step.

Memory, beside that of the plain trainers, and all of it for all replicas: the state three times
(given, recorded, returned) and twice more in the graphs; the noise and the row numbers of
:data:`UNROLLED` steps, besides those of the whole block, which are at most
:data:`zoo.compile.noise.MOST_NUMBERS` numbers of noise or one step's; and the intermediate values
of one step, which both graphs share. The training data are read where they are, never copied.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor

from zoo.compile.verify import CaptureError
from zoo.optim.functional import Rates
from zoo.torch_private import tree_map

if TYPE_CHECKING:
    from zoo.compile.loop_tensors import Inputs, State
    from zoo.compile.step_loop import Step

UNROLLED = 20  # steps in a graph
WARM_UPS = (
    3  # calls before a graph is recorded: they compile, and make the workspaces of libraries
)

Replay = Callable[[], None]
RatesAt = Callable[[Tensor, Tensor], Rates]
Move = Callable[
    ["State", Tensor, Tensor, tuple[Tensor, ...], "Inputs"], tuple["State", Tensor, Tensor]
]


class Recorder(Protocol):
    """Records what a function does to tensors, to do it again."""

    def record(self, run: Callable[[], None]) -> Replay:
        """What does the same again, on the same tensors with the values that they have then.

        Args:
            run: writes its results into tensors made before; it may be called any number of times.
        """


class CudaGraphs:
    """Records CUDA graphs, which share the memory of their intermediate values.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.pool = device, torch.cuda.graph_pool_handle()

    def record(self, run: Callable[[], None]) -> Replay:
        """A replay of the graph of one call.

        Raises:
            CaptureError: if the function waits for the GPU, which a graph cannot hold.
        """
        with torch.cuda.device(self.device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    run()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, self.pool, capture_error_mode="thread_local"):
                    run()
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                first = str(error).strip().splitlines()[0]
                raise CaptureError(
                    f"The step cannot be recorded as a CUDA graph: {first}. A part of it waits "
                    "for the GPU. Use the plain step, compile=False."
                ) from error
        return graph.replay


class Calls:
    """Stands in for graphs on any device: to replay is to call the function again."""

    def record(self, run: Callable[[], None]) -> Replay:
        """The function, after one call."""
        run()
        return run


class Buffers(NamedTuple):
    """The tensors that a graph reads and writes.

    Attributes:
        state: at the start of a replay, then at its end.
        number: of the step, shape ().
        inputs: the learning rate, the rows and the noise of the steps of one replay; the arguments
            are those of training, not copied.
        losses: of the steps of one replay, shape (unrolled,), or (replicas, unrolled).
    """

    state: "State"
    number: Tensor
    inputs: "Inputs"
    losses: Tensor


def counted(step: "Step", rates_at: RatesAt) -> Move:
    """The step as a function of state and number that returns the next ones, and the loss.

    It writes into none of its inputs: where it updated them in place, torch 2.11 compiled some
    steps to code that gave other numbers, without an error.

    Args:
        step: one step.
        rates_at: the rates of the update, from the number of a step and the learning rate.
    """

    def move(
        state: "State",
        number: Tensor,
        picked: Tensor,
        drawn: tuple[Tensor, ...],
        inputs: "Inputs",
    ) -> tuple["State", Tensor, Tensor]:
        after, loss = step(state, rates_at(number, inputs.lr), number, picked, drawn, inputs)
        return after, number + 1, loss

    move.__code__ = move.__code__.replace()  # the compiler gives up on a code object used 8 times
    return move


class RecordedBlock:
    """A block of steps that replays recordings, with the interface of the loop on the CPU.

    It is recorded by the first call, also one of no steps. The state that it is given stays as it
    is. The training arguments have to be the same tensors in every call.

    Args:
        move: takes one step, see :func:`counted`.
        recorder: records several steps.
        unrolled: the most steps in a recording.
    """

    def __init__(self, move: Move, recorder: Recorder, unrolled: int = UNROLLED) -> None:
        self.move, self.recorder, self.unrolled = move, recorder, unrolled
        self.buffers: Buffers | None = None
        self.replays: dict[int, Replay] = {}

    def __call__(
        self, count: Tensor, state: "State", losses: Tensor, inputs: "Inputs"
    ) -> tuple[Tensor, "State"]:
        """Losses and state after `count` steps; a count on the CPU needs no wait for the GPU."""
        kept = self._recorded(state, losses, inputs)
        assert all(a is b for a, b in zip(kept.inputs.args, inputs.args, strict=True))
        _copy(kept.state, state)
        kept.number.copy_(inputs.start)
        kept.inputs.lr.copy_(inputs.lr)
        total, done, losses = int(count), 0, losses.clone()
        while done < total:
            size = max(each for each in self.replays if each <= total - done)
            kept.inputs.order[:size].copy_(inputs.order[done : done + size])
            for part, drawn in zip(kept.inputs.noise, inputs.noise, strict=True):
                part[:size].copy_(drawn[done : done + size])
            self.replays[size]()
            losses[..., done : done + size].copy_(kept.losses[..., :size])
            done += size
        return losses, tree_map(torch.clone, kept.state)

    def _recorded(self, state: "State", losses: Tensor, inputs: "Inputs") -> Buffers:
        """The buffers, made and recorded at the first call, with zeros for noise and rows."""
        if self.buffers is None:
            most = min(self.unrolled, losses.shape[-1])
            self.buffers = Buffers(
                tree_map(torch.clone, state),
                inputs.start.to(inputs.lr.dtype, copy=True),
                inputs._replace(
                    lr=inputs.lr.clone(),
                    order=torch.zeros_like(inputs.order[:most]),
                    noise=tuple(torch.zeros_like(part[:most]) for part in inputs.noise),
                ),
                torch.zeros_like(losses[..., :most]),
            )
            for size in sorted({1, most}):
                self.replays[size] = self.recorder.record(partial(self._take, size))
        return self.buffers

    def _take(self, size: int) -> None:
        """Takes that many steps with the rows and the noise in the buffers, and writes the end."""
        assert self.buffers is not None
        state, number, inputs, losses = self.buffers
        for i in range(size):
            drawn = tuple(part[i] for part in inputs.noise)
            state, number, loss = self.move(state, number, inputs.order[i], drawn, inputs)
            losses[..., i].copy_(loss)
        _copy(self.buffers.state, state)
        self.buffers.number.copy_(number)


def recorded_block(step: "Step", rates_at: RatesAt, recorder: Recorder) -> RecordedBlock:
    """The block of a compiled step, recorded and replayed.

    Args:
        step: one step.
        rates_at: the rates of the update, from the number of a step and the learning rate.
        recorder: records several steps.
    """
    fused = torch.compile(
        counted(step, rates_at),
        fullgraph=True,
        dynamic=False,
        options={"triton.cudagraphs": False},  # they are recorded here
    )
    return RecordedBlock(fused, recorder)


def tensors_of(state: "State") -> list[Tensor]:
    """All tensors of a state, in order."""
    moments = [value for moment in state.moments for value in moment]
    return [*state.parts, *moments, *state.held]


def _copy(into: "State", source: "State") -> None:
    for old, new in zip(tensors_of(into), tensors_of(source), strict=True):
        old.copy_(new)
