"""The training loop: blocks of steps, with validation, checkpoints and stops between."""

import time

import torch

from zoo.handlers.parameters import named_tensors, restore
from zoo.results.result import Fit, Settings
from zoo.training.checkpointer import Checkpointer
from zoo.training.divergence import DivergenceError, all_finite, replay_to_divergence
from zoo.training.progress import Watcher, progress_of, rate_of
from zoo.training.run import Run
from zoo.training.stopping.held_out import validation_loss
from zoo.training.stopping.iterates import Iterates
from zoo.training.stopping.stages import Stages, can_be_staged
from zoo.training.stopping.tail import Tail, tail_of

TRIED = 100  # steps, of which some must have a gradient
BLOCK_SECONDS = 1.0


def train(run: Run, watch: Watcher, checkpointer: Checkpointer, number: int = 0) -> None:
    """Takes the steps that are left, block by block; the fit ends at its best or last state.

    Args:
        run: the fit under way.
        watch: is told how far it is after each block.
        checkpointer: writes it down between blocks, and ends it on SIGTERM.
        number: which of the checkpointer's fits it is.

    Raises:
        DivergenceError: on a non-finite loss.
        ValueError: if no step had a gradient.
    """
    fit, trainer, block = run.fit, run.trainer, 1
    first = trainer.step
    iterates, tail = _iterates(run), tail_of(fit, trainer)
    begin = time.perf_counter() - fit.seconds
    snapshot = _reached(run, trainer.snapshot(), iterates, tail, begin)
    checkpointer.offer({number: fit})
    try:
        while trainer.step < fit.settings.steps:
            started = time.perf_counter()
            if iterates is not None:
                block = iterates.due(trainer.step)
            losses = trainer.advance(_until_next_stop(trainer.step, block, fit.settings, tail))
            enough = min(first + TRIED, fit.settings.steps)
            if not trainer.has_gradient and trainer.step >= enough:
                raise ValueError(
                    f"The loss depended on no parameter in {trainer.step - first} steps, so that "
                    "there is nothing to train: model and guide compute their densities without "
                    "their parameters, or from detached copies of them."
                )
            fit.losses = torch.cat([fit.losses, losses.cpu().to(fit.losses.dtype)])
            if not all_finite([losses, *trainer.parameters]):
                raise replay_to_divergence(trainer, snapshot, losses)
            if tail is not None:
                tail.note()
            now = trainer.snapshot()
            rate = rate_of(trainer.update, trainer.step)
            ending = _ending(run, iterates)
            now = trainer.snapshot() if run.stages else now  # a stage may have ended
            snapshot = _reached(run, now, None if ending else iterates, tail, begin)
            watch(progress_of(fit, losses, rate, fit.seconds))
            if ending is None and checkpointer.stops({number: fit}):
                ending = "interrupted"
            if ending is not None:
                fit.stopped = ending
                break
            (slow,) = trainer.ranks.any(time.perf_counter() - started >= BLOCK_SECONDS)
            block = block if slow else min(trainer.largest_block, 2 * block)
        if tail is not None and fit.stopped == "finished":
            tail.keep_better(fit)
    except KeyboardInterrupt:
        if trainer.ranks.several:  # the others do not know of it
            raise
        trainer.restore(snapshot)
        fit.stopped = "interrupted"
    except DivergenceError as error:
        fit.stopped, snapshot = "diverged", trainer.snapshot()
        error.fit = _finish(fit, snapshot, begin)
        checkpointer.end(number, fit)
        raise
    checkpointer.end(number, _finish(fit, snapshot, begin))


def _iterates(run: Run) -> Iterates | None:
    """The iterates to watch, those of an earlier fit included unless it had converged."""
    if run.fit.settings.until != "converged":
        return None
    run.fit.best = None  # not the mean at which an earlier fit ended
    iterates = Iterates([run.trainer])
    if "iterates" in run.fit.last:
        iterates.go_on(run.fit.last["iterates"])
    if can_be_staged(run.fit.program, tuple(run.trainer.rows.args), run.trainer.parameters):
        run.stages = Stages(run.fit.program, tuple(run.trainer.rows.args), run.fit.settings)
        if "stage" in run.fit.last:
            run.stages.go_on(run.fit.last["stage"])
            run.trainer.go_on_at(run.stages.rate)
    return iterates


def _reached(
    run: Run, snapshot: dict, iterates: Iterates | None, tail: Tail | None, begin: float
) -> dict:
    """Makes a snapshot the fit's last state, together with the iterates noted so far."""
    if tail is not None:
        snapshot["tail"] = tail.state()
    if iterates is not None:
        snapshot["iterates"] = iterates.state()
    if iterates is not None and run.stages is not None:
        snapshot["stage"] = run.stages.state()
    run.fit.last, run.fit.seconds = snapshot, time.perf_counter() - begin
    return snapshot


def _ending(run: Run, iterates: Iterates | None) -> str | None:
    """How the fit ends here, if it does."""
    if iterates is not None and _converged(run, iterates):
        return "converged"
    due = run.valid_args and run.trainer.step % run.fit.settings.valid_every == 0
    return "early" if due and _validate(run) else None


def _converged(run: Run, iterates: Iterates) -> bool:
    """Has the fit converged? It then keeps the mean of its iterates.

    In stages the iterates are to become stationary at each rate, and the stage that does so is
    compared with the one before.
    """
    stationary = iterates.note(run.fit.losses)
    if run.stages is None:
        run.fit.convergence = iterates.found or run.fit.convergence
        if stationary:
            iterates.average()
            run.fit.best = named_tensors(run.fit.program)
        return stationary
    if not stationary and not (iterates.enough and run.stages.overdue(run.trainer.step)):
        return False
    return _end_stage(run, run.stages, iterates, stationary=stationary)


def _end_stage(run: Run, stages: Stages, iterates: Iterates, *, stationary: bool) -> bool:
    """Compares a stage with the one before, and begins the next where they differ."""
    (average,) = iterates.average()
    found = stages.compare(run.trainer.parameters, average)
    run.fit.other_evaluations += stages.take_evaluations()
    if found is not None:
        run.fit.convergence = found
        if stationary and found.reached(run.fit.settings.tolerance):
            run.fit.best = named_tensors(run.fit.program)
            return True
    stages.next(run.trainer.step, average)
    iterates.restart()
    run.trainer.go_on_at(stages.rate)
    return False


def _until_next_stop(step: int, block: int, settings: Settings, tail: Tail | None) -> int:
    """Steps to take now: not past the end, the next validation, or the next iterate of a mean."""
    left = settings.steps - step
    block = block if tail is None else min(block, tail.due(step))
    to_validation = settings.valid_every - step % settings.valid_every
    return min(block, left, to_validation if settings.patience is not None else left)


def _validate(run: Run) -> bool:
    """Notes the validation loss, keeps the best state; is it time to stop?"""
    fit, patience = run.fit, run.fit.settings.patience
    assert patience is not None
    loss = run.trainer.ranks.decided(lambda: validation_loss(fit, run.valid_args))
    if all(loss < earlier for _, earlier in fit.valid):
        fit.best = named_tensors(fit.program)
    fit.valid.append((run.trainer.step, loss))
    best = min(range(len(fit.valid)), key=lambda i: fit.valid[i][1])
    return len(fit.valid) - 1 - best >= patience


def _finish(fit: Fit, snapshot: dict, begin: float) -> Fit:
    fit.last, fit.seconds = snapshot, time.perf_counter() - begin
    fit.losses = fit.losses[: snapshot["step"]]
    fit.valid = [(step, loss) for step, loss in fit.valid if step <= snapshot["step"]]
    if fit.best is not None:
        restore(fit.program, fit.best)
    fit.program.eval()
    return fit
