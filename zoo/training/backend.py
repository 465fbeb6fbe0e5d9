"""Which loop a fit runs on: the compiled one where it pays, the plain one where it must."""

import time
import warnings
from typing import TYPE_CHECKING

from zoo import torch_private
from zoo.compile.capture import CaptureError
from zoo.compile.compile_error import CompileError
from zoo.isolation import rounds_to_tf32
from zoo.results.result import Fit
from zoo.training.run import Run
from zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer

AUTO_STEPS = 5000  # from here on, compiling (about ten seconds) costs less than it saves
WAY_OUT = "Install a C++ compiler such as g++, or pass compile='auto' or False for the plain step."

ROUNDED = "precision: torch was asked to round the factors of products to TF32, 10 bits, on CUDA"


def choose_backend(run: Run) -> None:
    """Puts a compiled trainer into a run where that is asked for, or pays.

    Raises:
        CaptureError: if compile=True and the step cannot be captured.
        CompileError: if compile=True and the compiler fails.
    """
    note_precision(run.fit)
    asked, steps = run.fit.settings.compile, run.fit.settings.steps
    if run.trainer.ranks.several:
        run.fit.backend_reason = f"{run.trainer.ranks.count} ranks take plain steps together"
        return
    if run.resumed_backend is not None and asked == "auto":
        asked = run.resumed_backend == "compiled"
    trainer, reason = _decide([run], asked, steps)
    run.fit.backend_reason = reason
    if trainer is not None:
        run.trainer, run.fit.backend = trainer, "compiled"


def choose_replicas(runs: list[Run]) -> bool:
    """Puts one compiled trainer into all runs; False where they have to run one by one."""
    for run in runs:
        note_precision(run.fit)
    settings, earlier = runs[0].fit.settings, runs[0].resumed_backend
    asked = settings.compile
    if earlier is not None and asked == "auto":
        asked = earlier == "compiled"
    trainer, reason = _decide(runs, asked, settings.steps * len(runs))
    for run in runs:
        run.fit.backend_reason = reason
        if trainer is not None:
            run.trainer, run.fit.backend = trainer, "compiled"
    return trainer is not None


def note_precision(fit: Fit) -> None:
    """Notes that products are rounded, where that was asked for."""
    if fit.device.type == "cuda" and rounds_to_tf32() and ROUNDED not in fit.notes:
        fit.notes.append(ROUNDED)


def _decide(
    runs: list[Run],
    asked: bool | str,  # noqa: FBT001
    steps: int,
) -> "tuple[CompiledTrainer | None, str]":
    if asked is False:
        return None, "compile=False"
    if asked == "auto" and steps < AUTO_STEPS:
        return (
            None,
            f"{steps} steps take less time than compiling; auto compiles from {AUTO_STEPS}",
        )
    from zoo.training.compiled_trainer import CompiledTrainer  # brings torch's compiler along

    begin = time.perf_counter()
    try:
        trainer = CompiledTrainer(*(_plain(run) for run in runs))
    except CaptureError as error:
        if asked is True:
            raise
        return None, _warn(str(error))
    except _compiler_errors() as error:
        reason = f"the compiler failed: {_first_line(error)}"
        if asked is True:
            raise CompileError(f"compile=True, but {reason}. {WAY_OUT}") from error
        return None, _warn(reason)
    for run in runs:
        run.fit.build_seconds = time.perf_counter() - begin
        run.fit.seconds += run.fit.build_seconds
    return trainer, "asked for" if asked is True else f"{steps} steps pay for compiling"


def _compiler_errors() -> tuple[type[Exception], ...]:
    return (
        CompileError,
        torch_private.TorchDynamoException,
        torch_private.InductorError,
        torch_private.InvalidCxxCompiler,
        OSError,
    )


def _plain(run: Run) -> Trainer:
    assert isinstance(run.trainer, Trainer)
    return run.trainer


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), "").rstrip(".")


def _warn(reason: str) -> str:
    warnings.warn(
        f"The compiled path is off, training goes on with the plain step: {reason}", stacklevel=6
    )
    return reason
