"""The guide of a fit trained anew on other rows, with the model held."""

from dataclasses import replace

from zoo.fit import fit
from zoo.result import Fit
from zoo.task import Task


def fit_again(result: Fit, task: Task) -> Fit:
    """Fits a fresh guide as the fit's own was, for as many steps, under its trained model.

    Args:
        result: the fit.
        task: of the same model; its train rows are fitted.
    """
    update, rows = result.settings.update, result.settings.batch_size
    return fit(
        replace(task, build=lambda: result.model),
        result.guide_spec,
        objective=result.settings.objective,
        steps=len(result.losses),
        optimizer=update.optimizer,
        lr=update.lr,
        batch_size=None if rows is None else min(rows, task.data.rows),
        seed=result.settings.seed,
        device=str(result.device),
        freeze_model=True,
        compile=result.settings.compile,
    )
