"""Builds the program, the optimizer and the order of rows of a fit, or restores an earlier one."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from zoo.data import keep
from zoo.data.batches import Batches, Shuffle
from zoo.device import to_device
from zoo.handlers.parameters import restore
from zoo.isolation import isolated, seed_all
from zoo.latents import Family, Latents, describe
from zoo.pairing.validation import check_rows
from zoo.program import Program, build
from zoo.results.earlier import Earlier
from zoo.results.encoding import encode
from zoo.results.result import Fit, Settings
from zoo.results.same_code import densities, refuse_other_code
from zoo.sampling.separable import why_inseparable
from zoo.task import Task
from zoo.training.parallel.ranks import ALONE, Ranks
from zoo.training.parallel.refusals import cannot_share
from zoo.training.settings import batch_rows
from zoo.training.stopping.stages import Stages
from zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer


@dataclass
class Run:
    """A fit under way: the result so far and what advances it."""

    fit: Fit
    trainer: "Trainer | CompiledTrainer"
    valid_args: tuple
    resumed_backend: str | None = None
    stages: Stages | None = None


def describe_task(
    task: Task, batch_size: int | str | None = "auto", kwargs: dict[str, object] | None = None
) -> Latents:
    """The latents of a task's model, on one minibatch of its training rows."""
    args, batch = task.split("train"), batch_rows(batch_size, task)
    rows = Batches(args, task.data.observe, Shuffle(task.data.rows, batch, 0) if batch else None)
    with isolated(seed=0):
        first = rows.take(torch.arange(batch) if batch else None)
        rows_in_all = task.data.rows if batch else None
        return describe(task.build(), *first, rows=rows_in_all, **(kwargs or {}))


def prepare(
    task: Task,
    guide: Callable,
    settings: Settings,
    device: str,
    kwargs: dict[str, object] | None,
    ranks: Ranks = ALONE,
) -> Run:
    """Builds the program, its optimizer and the order of rows; inside an isolated block.

    Several ranks shuffle all rows even where a step takes all of them, to share them out. They
    begin with the parameters of rank 0.

    Raises:
        PairingError: if model, guide and objective do not go together.
        ValueError: for settings that the model does not allow.
    """
    args = tuple(to_device(arg, device) for arg in task.split("train"))
    batch = settings.batch_size or (task.data.rows if ranks.several else None)
    rows = Batches(
        args, task.data.observe, Shuffle(task.data.rows, batch, settings.seed) if batch else None
    )
    first = rows.take(torch.arange(batch, device=device) if batch else None)
    program = build(
        task.build(),
        guide,
        settings.objective,
        first,
        {name: to_device(arg, device) for name, arg in (kwargs or {}).items()},
        rows=task.data.rows if batch else None,
        kl_weight=settings.kl_weight,
        device=device,
    )
    try:
        _check_minibatches(program, task, args, batch)
    except ValueError as error:
        raise (error if settings.batch_size else cannot_share(ranks.count, error)) from None
    _say_narrow(program)
    _say_unnamed(program)
    trainer = Trainer(program, rows, settings.update, _moving(program, settings), ranks)
    _begin_alike(trainer, task, settings)
    seed_all(settings.seed)
    valid = _validation(task, settings, program) if settings.patience is not None else ()
    fit = Fit(task, settings, program, guide, torch.zeros(0), densities=densities(program, args))
    return Run(fit, trainer, tuple(to_device(arg, device) for arg in valid))


def _begin_alike(trainer: Trainer, task: Task, settings: Settings) -> None:
    """Sets all ranks to the parameters and buffers of rank 0."""
    tensors = trainer.program.state_dict(keep_vars=True)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    given = {"data": task.data.hash, "parameters": shapes}
    trainer.ranks.check_same(given | cast("dict[str, object]", encode(settings)))
    trainer.ranks.follow_first(tensors.values())


def _check_minibatches(program: Program, task: Task, args: tuple, batch: int | None) -> None:
    """Refuses minibatches of a model whose rows cannot be taken apart."""
    _check_rows(program.latents, batch)
    if batch and task.data.observe is keep:
        check_rows(program.observed, args)
        _check_apart(program, args)


def _check_rows(latents: Latents, batch: int | None) -> None:
    plate = latents.row_plate
    if batch and plate is not None and plate.subsample < 0:
        raise ValueError(
            f"batch_size={batch} takes minibatches of rows; the model's plate '{plate.name}' has "
            f"no size. Write pyro.plate('{plate.name}', len(x)), or pass batch_size=None."
        )
    if batch and (plate is None or not plate.given):
        raise ValueError(
            f"batch_size={batch} takes minibatches of rows; the model has no plate named 'data' "
            "over the rows it is given. Rename its plate, or pass batch_size=None."
        )


def _check_apart(program: Program, args: tuple) -> None:
    why = why_inseparable(program, args)
    if why is not None:
        raise ValueError(
            f"batch_size takes minibatches, and here rows cannot be taken apart: {why}. Pass what "
            "belongs to a row, such as its position, as an argument with rows, or "
            "batch_size=None."
        )


def _say_narrow(program: Program) -> None:
    latents = program.latents
    if latents.narrow and program.objective.evaluations(latents) > 1:
        warnings.warn(
            f"Particles run one after another, because {latents.narrow}. To run them at once, let "
            "the model broadcast over dimensions to the left of its plates, such as "
            "(X * b.unsqueeze(-2)).sum(-1) for b @ X.T.",
            stacklevel=5,
        )


def _say_unnamed(program: Program) -> None:
    idle = {id(parameter) for parameter in program.unnamed if parameter.requires_grad}
    named = [name for name, p in program.named_parameters() if id(p) in idle]
    if named:
        shape = tuple(dict(program.named_parameters())[named[0]].shape)
        warnings.warn(
            f"A net that the model or the guide refers to is not trained, as under Pyro's SVI, "
            f"which is not told of it; its first parameter has the shape {shape}. Call "
            "pyro.module('net', net) in the function to train it, or net.requires_grad_(False) "
            "to hold it without this warning.",
            stacklevel=5,
        )


def _moving(program: Program, settings: Settings) -> list[nn.Parameter]:
    """The parameters to train: all that Pyro would, or all but the model's own."""
    frozen = program.of_model() if settings.freeze_model else set()
    if frozen and isinstance(program.guide, Family) and program.guide.takes_model:
        if not list(program.guide.parameters()):  # type: ignore[attr-defined]
            raise ValueError(
                f"{type(program.guide).__name__} has no parameters besides the model's, which "
                "freeze_model=True holds. Use freeze_model=False, or another guide."
            )
    still = frozen | {id(parameter) for parameter in program.unnamed}
    moving = [p for p in program.parameters() if p.requires_grad and id(p) not in still]
    if not moving:
        held = "; freeze_model=True holds those of the model" if frozen else ""
        raise ValueError(
            f"Expected parameters to train; model, guide and objective have none{held}."
        )
    return moving


def _validation(task: Task, settings: Settings, program: Program) -> tuple:
    if isinstance(program.guide, Family) and not program.guide.amortised:
        raise ValueError(
            f"patience={settings.patience} needs a bound on held-out rows; "
            f"{type(program.guide).__name__} has no parameters for them. Use patience=None."
        )
    return task.split("valid")


def as_it_was(run: Run, earlier: Earlier) -> Fit:
    """The earlier fit on the program of a run that takes no steps.

    Raises:
        ValueError: if the earlier fit is of other tensors.
    """
    run.fit.program.match_statements(earlier.last["statements"], earlier.last["program"])
    check_state(run.fit.program, earlier.last["program"])
    refuse_other_code(earlier.densities, run.fit.densities)
    earlier.put_into(run.fit)
    run.trainer.restore(earlier.last)
    if earlier.best is not None:
        restore(run.fit.program, earlier.best)
    run.fit.program.eval()
    return run.fit


def go_on(run: Run, earlier: Earlier) -> None:
    """Puts a run where an earlier fit ended.

    Raises:
        ValueError: if the earlier fit is of other tensors.
    """
    program = earlier.last["program"]
    run.fit.program.match_statements(earlier.last["statements"], program)
    check_state(run.fit.program, program)
    _check_precision(run.fit.program, program)
    refuse_other_code(earlier.densities, run.fit.densities)
    run.trainer.restore(earlier.last)
    earlier.put_into(run.fit)
    run.resumed_backend, run.fit.backend, run.fit.stopped = earlier.backend, "plain", "finished"


def go_on_together(runs: list[Run], earlier: list[Earlier]) -> None:
    """Puts replicas where earlier ones ended.

    A diverged replica is computed along with the others; its result stays that at divergence.
    """
    for run, one in zip(runs, earlier, strict=True):
        go_on(run, one)
        run.trainer.restore(one.last.get("going", one.last))
        run.fit.stopped = "diverged" if one.stopped == "diverged" else "finished"


def check_state(program: Program, saved: dict[str, Tensor]) -> None:
    """Refuses saved tensors that are not those of this model, guide and objective.

    Raises:
        ValueError: naming the first that differs.
    """
    here = {name: tuple(value.shape) for name, value in program.state_dict().items()}
    there = {name: tuple(value.shape) for name, value in saved.items()}
    differing = sorted({name for name, _ in here.items() ^ there.items()})
    if differing:
        name = differing[0]
        raise ValueError(
            f"The saved fit has '{name}' of shape {there.get(name)}; the model and guide passed "
            f"give {here.get(name)}. Pass the model and guide that were fitted."
        )


def _check_precision(program: Program, saved: dict[str, Tensor]) -> None:
    for name, value in program.state_dict().items():
        if value.dtype != saved[name].dtype:
            raise ValueError(
                f"The earlier fit has '{name}' in {saved[name].dtype}; here it is in "
                f"{value.dtype}. Go on under the same torch.set_default_dtype."
            )
