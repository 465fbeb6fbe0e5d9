"""`zoo.fit`: one call trains a guide under a model."""

from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from pyro.infer import ELBO

from guides import guide_named
from zoo.checks.arguments import flag
from zoo.checks.inputs import check_call, check_data, check_kwargs
from zoo.copies import lent
from zoo.device import pick_device
from zoo.errors import did_you_mean
from zoo.latents import Model
from zoo.objectives import LossOfPair, Objective
from zoo.optim.schedules import Schedule
from zoo.pairing.guide_input import check_guide
from zoo.task import Task, task_of
from zoo.training.checkpointer import Checkpoint
from zoo.training.launch import fit_one, fit_replicas
from zoo.training.parallel.joining import joined, rank_count
from zoo.training.parallel.refusals import check_ranks
from zoo.training.progress import Progress, checked
from zoo.training.resuming import Resume, checkpointer_for
from zoo.training.settings import Request


def fit(
    model: Task | Model,
    guide: str | Callable,
    *args: object,
    objective: str | Objective | ELBO | LossOfPair = "trace",
    steps: int | None = None,
    optimizer: str = "auto",
    lr: float | Sequence[float] | None = None,
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
    on_progress: Callable[[Progress], object] | None = None,
    model_kwargs: dict[str, object] | None = None,
    resume: Resume | None = None,
    compile: bool | str = "auto",  # noqa: FBT001
    replicas: int | None = None,
    until: str = "auto",
    tolerance: float = 0.05,
    average: bool | str = "auto",  # noqa: FBT001
    checkpoint: str | Path | Checkpoint | None = None,
    **unknown: object,
) -> Any:
    """Trains a guide, and the model's own parameters, by stochastic variational inference.

    Works on copies and in isolation: the model and guide passed in, the random state, the
    parameter store, the validation flags and the default dtype stay as they were. The result
    follows from the seed alone. Only what a plain function refers to, from its closure or through
    a list or another object, cannot be copied with it: such a module is trained in place, and of
    it only the values of parameters and buffers change. One fit runs at a time: other threads
    wait.

    Trained is what Pyro's SVI would train: all of ``pyro.param`` and ``pyro.module``, also where a
    statement is met only after some steps; and the modules that model and guide themselves are. A
    net that a function refers to without ``pyro.module`` is held as it is, with a warning. Model
    and guide run once under Pyro's validation first, unless the caller has it off.

    Under ``torchrun`` the processes train one fit together, each on its share of the rows of every
    step and with noise of its own; `batch_size` counts the rows of all. The fit is the same on all
    ranks, and only rank 0 writes and shows progress (:mod:`zoo.training.parallel`).

    Args:
        model: a task from :func:`zoo.load`, or any Pyro model (then `args` are its arguments).
        guide: a name of ``guides.GUIDES``, a guide class, a partial of one, a built guide, or any
            Pyro AutoGuide or function.
        *args: arguments of the model, where it is not a task.
        objective: a name, an objective, one of Pyro's ELBO instances (or of a class that descends
            from them), or a function ``loss(model, guide, *args, **kwargs)`` as Pyro's SVI takes.
        steps: number of steps in all; a resumed fit counts those it has taken. Default: the
            task's own, else 1000. A guide that is found by a method of its own, such as
            ``guides.Laplace``, takes none, and all that says how to take steps is refused.
        optimizer: a name of ``zoo.optim.optimizers.OPTIMIZERS``, of which "ivon" takes natural
            gradients, for ``mean_field`` and ``full_rank``; or "dadvi": for guides that are
            normals over latents shared by rows, the best one is found by L-BFGS on fixed draws
            (:mod:`zoo.normals.dadvi`), and the model's few parameters with it. "auto" is "dadvi"
            where it applies, `until` is not "steps", the objective is "trace" and no setting of
            steps is given; else "adam".
        lr: learning rate; with replicas, one for each or one for all. Default: the task's own,
            else 0.01.
        lr_schedule: factor on the learning rate at each step. Default: 1; where neither it nor
            `steps` is given, that of the task's own recipe.
        weight_decay: of the optimizer.
        clip_norm: largest norm of the whole gradient, in nats per unit: of the parameters of the
            model, the guide and the objective together. Default: 100 for flows over shared latents
            (their class variable `clip_norm`), else any.
        batch_size: rows in a step; None for all of them, "auto" for the task's own.
        seed: fixes initial values, the order of rows, and all noise. Replica r has seed + r.
        device: "auto", "cpu" or "cuda".
        kl_weight: weight of log p(z) - log q(z) at each step, e.g. Linear(0, 1, 1000).
        freeze_model: train the guide only.
        patience: stop after this many validations without a better one, and keep the best state;
            None never validates. Schedules count as they are at the last step.
        valid_every: steps between validations.
        progress: show a progress bar, if the output is a terminal.
        on_progress: called with a :class:`zoo.Progress` after each block of steps, from several
            times a second to about once in two; of replicas once for each. What it returns is not
            used, and what it draws does not change the fit. An error in it ends the training and
            is raised as it is; ``raise KeyboardInterrupt`` ends the fit as Ctrl-C does, with what
            is trained. Under torchrun rank 0 calls it.
        model_kwargs: keyword arguments of the model.
        resume: an earlier fit to go on from, of the same task, guide and settings, but `steps`
            may grow: a fit, with replicas a list of them, or the folder of a checkpoint. A
            folder's fit that came to its end with as many steps is returned as it is. The folder
            may be that of `checkpoint`; while nothing is there, training starts at the beginning.
        compile: True takes the compiled path; False the plain one; "auto" compiles from 5,000
            steps (over all replicas) on, and falls back to the plain step with a warning. The two
            paths draw other noise, so the rule is one of steps alone: what a machine has compiled
            before, and how fast it is, do not change the result.
        replicas: train this many independent seeds side by side.
        until: "steps" takes the number of steps given. "converged" begins near the posterior,
            lets the learning rate fall in stages, and ends where the guide no longer changes
            (:mod:`zoo.training.stopping.stages`); guides of normals take no such steps, see
            `optimizer`. `steps` is then the most it takes, of L-BFGS too, 20 times its default.
            Where a guide was built or trained to start is not used: it begins at Pathfinder's
            normal.
            Where steps train local latents or parameters of the model, the rate stays, and the
            fit ends where its iterates are stationary (:mod:`zoo.results.convergence`). "auto" is
            "converged" where no `steps` are given and all that is unknown is latents that rows
            share, and under a guide of normals up to 50 numbers in parameters of the model,
            beside up to 200 of latents.
            Compiled replicas are compared with each other, and stop together.
        tolerance: how far a mean of the guide may still move at the end, in its sds.
        average: True ends a fit of a number of steps at the mean of its iterates over the last
            tenth of them, if its loss is below that of the last iterate, on validation rows where
            there are any; ``fit.notes`` gives both. False keeps the last. "auto" is True for
            latents of rows under an amortised guide, as in autoencoders, from 100 steps on,
            without `patience`.
        checkpoint: an empty folder, tried before training, that the fit is written to every
            minute and at its end; a :class:`zoo.Checkpoint` says how often. On SIGTERM the fit is
            written at the end of the block of steps, and the process exits with status 143.
        **unknown: refused; the model's own keyword arguments belong in `model_kwargs`.

    Returns:
        The fit; with replicas, a list of fits, where one that diverged says so in `stopped`. The
        list ends at one that was interrupted.

    Raises:
        PairingError: if model, guide and objective do not go together.
        DivergenceError: on a non-finite loss; its `fit` attribute holds the last finite state.
        CaptureError: with compile=True, if the step cannot be captured as a tensor program.
        CompileError: with compile=True, if the compiler fails or there is none.
        RankError: under torchrun, if another rank has ended or was given something else.
        ValueError: for settings that make no sense, or that are not those of the fit to go on
            from.
        SaveError: if the fit cannot be written to `checkpoint` at its end; its `fit` attribute
            holds it.
    """
    _refuse_unknown(unknown)
    task = task_of(model, args)
    guide = guide_named(guide) if isinstance(guide, str) else check_guide(guide)
    kwargs = check_kwargs(model_kwargs)
    check_data((), kwargs)
    if not isinstance(model, Task):
        check_call(model, args, kwargs)
    flag("progress", progress)
    watcher = checked(on_progress)
    request = Request(
        objective=objective,
        steps=steps,
        optimizer=optimizer,
        lr=lr,
        lr_schedule=lr_schedule,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        batch_size=batch_size,
        seed=seed,
        kl_weight=kl_weight,
        freeze_model=freeze_model,
        patience=patience,
        valid_every=valid_every,
        compile=compile,
        until=until,
        tolerance=tolerance,
        average=average,
    )
    several, place = request.settings(task, guide, kwargs, replicas), pick_device(device)
    check_ranks(rank_count(), task, several[0], replicas)
    with joined(place) as ranks:
        checkpointer = checkpointer_for(
            task,
            guide,
            several,
            kwargs,
            checkpoint=checkpoint,
            resume=resume,
            replicated=replicas is not None,
            ranks=ranks,
        )
        with checkpointer.listening(), lent(task.build, guide):
            if replicas is not None:
                return fit_replicas(
                    task,
                    guide,
                    several,
                    place,
                    kwargs,
                    checkpointer,
                    progress=progress,
                    on_progress=watcher,
                )
            where = ranks.device if ranks.several else place
            return fit_one(
                task,
                guide,
                several[0],
                where,
                kwargs,
                checkpointer,
                progress=progress,
                on_progress=watcher,
                ranks=ranks,
            )


def _refuse_unknown(passed: dict[str, object]) -> None:
    if passed:
        name = next(iter(passed))
        settings = list(signature(fit).parameters)[3:-1]
        meant = f"{did_you_mean(name, settings)} If".strip()
        raise ValueError(
            f"fit has no setting '{name}'. {meant} it is an argument of the model, pass "
            f"model_kwargs={{'{name}': ...}}."
        )
