"""Fits a guide by its own method in the place of steps."""

import time

import torch

from guides.solved import Solved
from zoo.handlers.parameters import in_eval_mode
from zoo.normals.difficulties import difficulties
from zoo.normals.log_density import LogDensity, in_float64
from zoo.normals.solution import Solution
from zoo.normals.solvers import SOLVERS
from zoo.training.arrival import MOST_NUMBERS, learnt_by
from zoo.training.checkpointer import Checkpointer
from zoo.training.run import Run
from zoo.training.trainer import Trainer


def solve(run: Run, checkpointer: Checkpointer, number: int = 0) -> None:
    """Sets a guide to what its method finds; the fit ends there.

    Args:
        run: the fit under way.
        checkpointer: writes the fit down at its end.
        number: which of the checkpointer's fits it is.

    Raises:
        ValueError: if the model has parameters to train, or too many latents, or the method finds
            nothing.
    """
    fit, trainer, begun = run.fit, run.trainer, time.perf_counter()
    guide = fit.program.guide
    assert isinstance(guide, Solved)
    assert isinstance(trainer, Trainer)
    assert guide.solver is not None
    _refuse_parameters(run)
    fit.notes, fit.stopped, fit.backend = [], "finished", guide.solver
    fit.backend_reason = f"{type(guide).__name__} takes no steps of an optimizer"
    try:
        with in_eval_mode([fit.program]):
            density = _density(run)
            found = SOLVERS[guide.solver](density, fit.settings.seed, **guide.options)
            _take(run, guide, density, found)
    except KeyboardInterrupt:
        fit.stopped = "interrupted"
    fit.program.eval()
    trainer.step = len(fit.losses)
    fit.last, fit.seconds = trainer.snapshot(), fit.seconds + time.perf_counter() - begun
    checkpointer.end(number, fit)


def _take(run: Run, guide: Solved, density: LogDensity, found: Solution) -> None:
    fit = run.fit
    means = torch.stack([normal.mean for normal in found.normals])
    factors = torch.stack([normal.factor for normal in found.normals])
    guide.take(means, factors, found.weights)
    fit.losses = -torch.tensor(found.elbos)
    first, paths = found.normals[0], list(found.paths)
    fit.difficulties = difficulties(density, first, paths, fit.settings.seed)
    fit.other_evaluations = density.evaluations
    fit.notes += found.notes


def _density(run: Run) -> LogDensity:
    fit = run.fit
    args, kwargs = tuple(run.trainer.rows.args), fit.program.kwargs
    density = in_float64(fit.task.build(), args, kwargs, fit.program)
    if density.size > MOST_NUMBERS:
        raise ValueError(
            f"{type(fit.program.guide).__name__} keeps a whole covariance, of up to "
            f"{MOST_NUMBERS} latent numbers; this model has {density.size}. Use mean_field."
        )
    return density


def _refuse_parameters(run: Run) -> None:
    own = learnt_by(run)
    if not own:
        return
    name = next(iter(own))
    raise ValueError(
        f"{type(run.fit.program.guide).__name__} finds the guide alone; the model has parameters "
        f"to train, such as '{name}' of shape {tuple(own[name].shape)}. Hold them by "
        "freeze_model=True, or by hold=True or --hold in a comparison; or use full_rank, which "
        "is trained together with them."
    )
