"""The training loop: blocks of steps, with validation, early stopping and interruption between."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zoo.divergence import DivergenceError, blame
from zoo.isolation import isolated
from zoo.latents import Family, Latents, Model
from zoo.objectives import Objective, as_objective
from zoo.order import Order
from zoo.parameters import named_tensors, restore
from zoo.program import Program, build
from zoo.progress import Progress
from zoo.schedules import Schedule
from zoo.task import Task, given
from zoo.traces import Pair
from zoo.trainer import Rows, Trainer, Update

BLOCK = 100
BLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """What a fit was asked to do; together with the task and the guide it fixes the result."""

    objective: Objective
    steps: int
    update: Update
    batch_size: int | None
    seed: int
    kl_weight: Schedule | None = None
    freeze_model: bool = False
    patience: int | None = None
    valid_every: int = 500


@dataclass
class Fit:
    """A trained pair of model and guide, and how it came about.

    Attributes:
        task: what it was trained on.
        settings: how.
        program: model, guide and objective, at the best state if there was a validation bound.
        guide_spec: the guide as it was passed to `fit`.
        losses: loss of every step in nats for the full data, shape (steps taken,).
        valid: pairs (step, validation loss in nats).
        last: state after the last step; resuming goes on from it.
        seconds: time taken by the steps.
        stopped: "finished", "early", "interrupted" or "diverged".
        path: which loop ran, and why.
    """

    task: Task
    settings: Settings
    program: Program
    guide_spec: Callable
    losses: Tensor
    valid: list[tuple[int, float]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    last: dict = field(default_factory=dict, repr=False)
    seconds: float = 0.0
    stopped: str = "finished"
    path: str = "plain"

    @property
    def model(self) -> Model:
        """The trained model; the one that was passed in is untouched."""
        return self.program.model

    @property
    def guide(self) -> Callable:
        """The trained guide."""
        return self.program.guide

    @property
    def latents(self) -> Latents:
        """The description of the model's latents."""
        return self.program.latents

    @property
    def pair(self) -> Pair:
        """Model and guide together, for evaluation."""
        return Pair(self.program.model, self.program.guide, self.program.latents)

    @property
    def amortised(self) -> bool:
        """Can the guide be put on new rows as it is?"""
        return not isinstance(self.guide, Family) or self.guide.amortised

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.program.parameters()).device


def fit(
    model: Task | Model,
    guide: Callable,
    *args: object,
    objective: object = "trace",
    steps: int | None = None,
    optimizer: str = "adam",
    lr: float | None = None,
    lr_schedule: Schedule | None = None,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    batch_size: int | str | None = "auto",
    seed: int = 0,
    device: str = "auto",
    kl_weight: Schedule | None = None,
    freeze_model: bool = False,
    patience: int | None = None,
    valid_every: int = 500,
    progress: bool = False,
    model_kwargs: dict[str, object] | None = None,
    resume: "Fit | None" = None,
) -> Fit:
    """Trains a guide, and the model's own parameters, by stochastic variational inference.

    Works on copies and in isolation: the model and guide passed in, the random state, the
    parameter store, the validation flags and the default dtype stay as they were. The result
    follows from the seed alone.

    Args:
        model: a task from :func:`zoo.load`, or any Pyro model (then `args` are its arguments).
        guide: a guide class, a partial of one, a built guide, or any Pyro AutoGuide or function.
        *args: arguments of the model, where it is not a task.
        objective: a name, an objective, or one of Pyro's ELBO instances.
        steps: number of steps in all; a resumed fit counts those it has taken. Default: the
            task's own, else 1000.
        optimizer: a name of ``zoo.optimizers.OPTIMIZERS``.
        lr: learning rate. Default: the task's own, else 0.01.
        lr_schedule: factor on the learning rate at each step.
        weight_decay: of the optimizer.
        clip_norm: largest norm of the whole gradient, in nats per unit.
        batch_size: rows in a step; None for all of them, "auto" for the task's own.
        seed: fixes initial values, the order of rows, and all noise.
        device: "auto", "cpu" or "cuda".
        kl_weight: weight of log p(z) - log q(z) at each step, e.g. Linear(0, 1, 1000).
        freeze_model: train the guide only.
        patience: stop after this many validations without a better one; None never validates.
        valid_every: steps between validations.
        progress: show a progress bar, if the output is a terminal.
        model_kwargs: keyword arguments of the model.
        resume: an earlier fit to go on from, of the same task, guide and settings.

    Returns:
        The fit.

    Raises:
        PairingError: if model, guide and objective do not go together.
        DivergenceError: on a non-finite loss; its `fit` attribute holds the last finite state.
        ValueError: for settings that make no sense.
    """
    task = model if isinstance(model, Task) else given(model, args)
    recipe = task.recipe
    settings = Settings(
        objective=as_objective(objective),
        steps=_positive("steps", steps, recipe.steps if recipe else 1000),
        update=Update(
            optimizer,
            _positive("lr", lr, recipe.lr if recipe else 1e-2),
            lr_schedule,
            weight_decay,
            clip_norm,
        ),
        batch_size=_batch_size(batch_size, task),
        seed=seed,
        kl_weight=kl_weight,
        freeze_model=freeze_model,
        patience=patience,
        valid_every=valid_every,
    )
    with isolated(seed=seed):
        run = prepare(task, guide, settings, pick_device(device), model_kwargs)
        if resume is not None:
            _go_on(run, resume)
        with Progress(f"{task.name}", settings.steps, shown=progress) as bar:
            _loop(run, bar)
    return run.fit


@dataclass
class Run:
    """A fit under way: the result so far and what advances it."""

    fit: Fit
    trainer: Trainer
    valid_args: tuple


def pick_device(device: str) -> str:
    """ "auto" is CUDA where there is one.

    Raises:
        ValueError: if CUDA is asked for and there is none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"Device '{device}' asked for; torch finds no CUDA. Use 'auto' or 'cpu'.")
    return device


def _positive(name: str, asked: float | None, usual: float) -> float:
    value = usual if asked is None else asked
    if not value > 0:
        raise ValueError(f"Expected {name} above 0; got {value}.")
    return value


def _batch_size(asked: int | str | None, task: Task) -> int | None:
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


def to_device(arg: object, device: str | torch.device) -> object:
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


def _go_on(run: Run, earlier: Fit) -> None:
    done = len(earlier.losses)
    if done >= run.fit.settings.steps:
        raise ValueError(
            f"Expected steps beyond the {done} already taken; got {run.fit.settings.steps}. "
            "steps counts from the start of the first fit."
        )
    run.trainer.restore(earlier.last)
    run.fit.losses, run.fit.valid = earlier.losses, list(earlier.valid)
    run.fit.best, run.fit.seconds = earlier.best, earlier.seconds


def _loop(run: Run, bar: Progress) -> None:
    fit, trainer, block = run.fit, run.trainer, 1
    begin = time.perf_counter() - fit.seconds
    snapshot = trainer.snapshot()
    try:
        while trainer.step < fit.settings.steps:
            started = time.perf_counter()
            losses = trainer.advance(_until_next_stop(trainer.step, block, fit.settings))
            if not losses.isfinite().all():
                raise blame(trainer, snapshot, losses)
            fit.losses = torch.cat([fit.losses, losses.cpu().to(fit.losses.dtype)])
            snapshot = trainer.snapshot()
            bar.reach(trainer.step, float(losses[-1]))
            if run.valid_args and trainer.step % fit.settings.valid_every == 0 and _validate(run):
                fit.stopped = "early"
                break
            block = (
                min(BLOCK, 2 * block) if time.perf_counter() - started < BLOCK_SECONDS else block
            )
    except KeyboardInterrupt:
        trainer.restore(snapshot)
        fit.stopped = "interrupted"
    except DivergenceError as error:
        fit.stopped, snapshot = "diverged", trainer.snapshot()
        error.fit = _finish(fit, snapshot, begin)
        raise
    _finish(fit, snapshot, begin)


def _until_next_stop(step: int, block: int, settings: Settings) -> int:
    """Steps to take now: not past the end, nor past the next validation."""
    left = settings.steps - step
    to_validation = settings.valid_every - step % settings.valid_every
    return min(block, left, to_validation if settings.patience is not None else left)


def _validate(run: Run) -> bool:
    """Notes the validation loss, keeps the best state; is it time to stop?"""
    fit, program, patience = run.fit, run.fit.program, run.fit.settings.patience
    assert patience is not None
    program.eval()
    with isolated(seed=0), torch.no_grad():
        loss = float(program(torch.full((), float(run.trainer.step)), None, *run.valid_args))
    program.train()
    if all(loss < earlier for _, earlier in fit.valid):
        fit.best = named_tensors(program)
    fit.valid.append((run.trainer.step, loss))
    best = min(range(len(fit.valid)), key=lambda i: fit.valid[i][1])
    return len(fit.valid) - 1 - best >= patience


def _finish(fit: Fit, snapshot: dict, begin: float) -> Fit:
    fit.last, fit.seconds = snapshot, time.perf_counter() - begin
    if fit.best is not None:
        restore(fit.program, fit.best)
    fit.program.eval()
    return fit
