"""Everything that stands before the first step: device, rows, program, optimizer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.compiled_trainer import CompiledTrainer
from zoo.isolation import isolated
from zoo.latents import Family, Latents, describe
from zoo.order import Order
from zoo.program import Program, build
from zoo.result import Fit, Settings
from zoo.rows import Rows
from zoo.task import Task
from zoo.trainer import Trainer


@dataclass
class Run:
    """A fit under way: the result so far and what advances it."""

    fit: Fit
    trainer: Trainer | CompiledTrainer
    valid_args: tuple
    resumed_path: str | None = None


def pick_device(device: str) -> str:
    """The device meant: "auto" is CUDA where there is one.

    Raises:
        ValueError: if CUDA is asked for and there is none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"Device '{device}' asked for; torch finds no CUDA. Use 'auto' or 'cpu'.")
    return device


def batch_rows(asked: int | str | None, task: Task) -> int | None:
    """Rows in a step; None for all of them.

    Raises:
        ValueError: if there are not so many rows.
    """
    recipe = task.recipe
    size = (recipe.batch_size if recipe else None) if asked == "auto" else asked
    if size is None or isinstance(size, str):
        return None
    rows = task.data.rows
    if not 0 < size <= rows:
        raise ValueError(
            f"Expected batch_size between 1 and the {rows} rows there are; got {size}."
        )
    return size


def describe_task(task: Task, batch_size: int | str | None = "auto") -> Latents:
    """The latents of a task's model, on one minibatch of its training rows."""
    args, batch = task.split("train"), batch_rows(batch_size, task)
    rows = Rows(args, task.data.observe, Order(task.data.rows, batch, 0) if batch else None)
    with isolated(seed=0):
        first = rows.take(torch.arange(batch) if batch else None)
        return describe(task.build(), *first, rows=task.data.rows if batch else None)


def prepare(
    task: Task, guide: Callable, settings: Settings, device: str, kwargs: dict[str, object] | None
) -> Run:
    """Builds the program, its optimizer and the order of rows; inside an isolated block.

    Raises:
        PairingError: if model, guide and objective do not go together.
        ValueError: for settings that the model does not allow.
    """
    args = tuple(to_device(arg, device) for arg in task.split("train"))
    batch = settings.batch_size
    rows = Rows(
        args, task.data.observe, Order(task.data.rows, batch, settings.seed) if batch else None
    )
    first = rows.take(torch.arange(batch, device=device) if batch else None)
    program = build(
        task.build(),
        guide,
        settings.objective,
        first,
        kwargs,
        rows=task.data.rows if batch else None,
        kl_weight=settings.kl_weight,
        device=device,
    )
    _check_rows(program.latents, batch)
    trainer = Trainer(program, rows, settings.update, _moving(program, settings))
    torch.manual_seed(settings.seed)
    valid = _validation(task, settings, program) if settings.patience is not None else ()
    fit = Fit(task, settings, program, guide, torch.zeros(0))
    return Run(fit, trainer, tuple(to_device(arg, device) for arg in valid))


def to_device(arg: Any, device: str | torch.device) -> Any:
    """Moves an argument there if it is a tensor."""
    return arg.to(device) if isinstance(arg, Tensor) else arg


def _check_rows(latents: Latents, batch: int | None) -> None:
    if batch and (latents.row_plate is None or not latents.row_plate.given):
        raise ValueError(
            f"batch_size={batch} takes minibatches of rows; the model has no plate named 'data' "
            "over the rows it is given. Rename its plate, or pass batch_size=None."
        )


def _moving(program: Program, settings: Settings) -> list[nn.Parameter]:
    """The parameters to train: all, or all but the model's own."""
    model = program.model if isinstance(program.model, nn.Module) else nn.Module()
    frozen = (
        {id(parameter) for parameter in model.parameters()} if settings.freeze_model else set()
    )
    if frozen and isinstance(program.guide, Family) and program.guide.takes_model:
        if not list(program.guide.parameters()):  # type: ignore[attr-defined]
            raise ValueError(
                f"{type(program.guide).__name__} has no parameters besides the model's, which "
                "freeze_model=True holds. Use freeze_model=False, or another guide."
            )
    moving = [p for p in program.parameters() if p.requires_grad and id(p) not in frozen]
    if not moving:
        raise ValueError("Expected parameters to train; model, guide and objective have none.")
    return moving


def _validation(task: Task, settings: Settings, program: Program) -> tuple:
    if isinstance(program.guide, Family) and not program.guide.amortised:
        raise ValueError(
            f"patience={settings.patience} needs a bound on held-out rows; "
            f"{type(program.guide).__name__} has no parameters for them. Use patience=None."
        )
    return task.split("valid")


def go_on(run: Run, earlier: Fit) -> None:
    """Puts a run where an earlier fit ended.

    Raises:
        ValueError: if the steps asked for have all been taken.
    """
    done = len(earlier.losses)
    if done >= run.fit.settings.steps:
        raise ValueError(
            f"Expected steps beyond the {done} already taken; got {run.fit.settings.steps}. "
            "steps counts from the start of the first fit."
        )
    run.trainer.restore(earlier.last)
    run.fit.losses, run.fit.valid = earlier.losses, list(earlier.valid)
    run.fit.best, run.fit.seconds = earlier.best, earlier.seconds
    run.resumed_path = earlier.path
