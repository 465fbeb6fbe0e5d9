"""The training loop: blocks of steps, with validation, early stopping and interruption between."""

import time

import torch

from zoo.convergence import Iterates
from zoo.divergence import DivergenceError, all_finite, blame
from zoo.isolation import isolated
from zoo.parameters import named_tensors, restore
from zoo.prepare import Run
from zoo.progress import Progress
from zoo.result import Fit, Settings

BLOCK_SECONDS = 1.0


def train(run: Run, bar: Progress) -> None:
    """Takes the steps that are left, block by block; the fit ends at its best or last state.

    Raises:
        DivergenceError: on a non-finite loss.
    """
    fit, trainer, block = run.fit, run.trainer, 1
    iterates = None
    if fit.settings.until == "converged":
        iterates, fit.best = Iterates([run.trainer]), None  # a resumed fit's mean is of the past
    begin = time.perf_counter() - fit.seconds
    snapshot = trainer.snapshot()
    try:
        while trainer.step < fit.settings.steps:
            started = time.perf_counter()
            if iterates is not None:
                block = iterates.due(trainer.step)
            losses = trainer.advance(_until_next_stop(trainer.step, block, fit.settings))
            fit.losses = torch.cat([fit.losses, losses.cpu().to(fit.losses.dtype)])
            if not all_finite([losses, *trainer.parameters]):
                raise blame(trainer, snapshot, losses)
            snapshot = trainer.snapshot()
            bar.reach(trainer.step, float(losses[-1]))
            if iterates is not None and _converged(run, iterates):
                break
            if run.valid_args and trainer.step % fit.settings.valid_every == 0 and _validate(run):
                fit.stopped = "early"
                break
            block = (
                min(trainer.largest_block, 2 * block)
                if time.perf_counter() - started < BLOCK_SECONDS
                else block
            )
    except KeyboardInterrupt:
        trainer.restore(snapshot)
        fit.stopped = "interrupted"
    except DivergenceError as error:
        fit.stopped, snapshot = "diverged", trainer.snapshot()
        error.fit = _finish(fit, snapshot, begin)
        raise
    _finish(fit, snapshot, begin)


def _converged(run: Run, iterates: Iterates) -> bool:
    """Keeps the mean of the iterates where they have become stationary."""
    reached = iterates.note(run.fit.losses)
    run.fit.convergence = iterates.found
    if reached:
        run.fit.stopped = "converged"
        iterates.average()
        run.fit.best = named_tensors(run.fit.program)
    return reached


def _until_next_stop(step: int, block: int, settings: Settings) -> int:
    """Steps to take now: not past the end, nor past the next validation."""
    left = settings.steps - step
    to_validation = settings.valid_every - step % settings.valid_every
    return min(block, left, to_validation if settings.patience is not None else left)


def _validate(run: Run) -> bool:
    """Notes the validation loss, keeps the best state; is it time to stop?

    The schedules are read at the last step: under a KL warm-up, losses on the way are no bound.
    """
    fit, program, patience = run.fit, run.fit.program, run.fit.settings.patience
    assert patience is not None
    program.eval()
    with isolated(seed=0), torch.no_grad():
        end = torch.full((), float(fit.settings.steps))
        loss = float(program(end, None, *run.valid_args))
    program.train()
    if all(loss < earlier for _, earlier in fit.valid):
        fit.best = named_tensors(program)
    fit.valid.append((run.trainer.step, loss))
    best = min(range(len(fit.valid)), key=lambda i: fit.valid[i][1])
    return len(fit.valid) - 1 - best >= patience


def _finish(fit: Fit, snapshot: dict, begin: float) -> Fit:
    fit.last, fit.seconds = snapshot, time.perf_counter() - begin
    fit.losses = fit.losses[: snapshot["step"]]
    if fit.best is not None:
        restore(fit.program, fit.best)
    fit.program.eval()
    return fit
