"""The guide of a fit trained anew on other rows, with the model held."""

from dataclasses import replace

from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.launch import fit_one


def fit_again(result: Fit, task: Task) -> Fit:
    """Fits a fresh guide as the fit's own was, for as many steps, under its trained model.

    All settings of the fit hold again, with three exceptions. The model is frozen. There is no
    validation, for there are no rows to validate on: a fit that stopped early is repeated for the
    steps that it took. And a minibatch has at most as many rows as there are. A fit until it
    converged runs until it converges again.

    Args:
        result: the fit.
        task: of the same model; its train rows are fitted.
    """
    asked, rows = result.settings, result.settings.batch_size
    settings = replace(
        asked,
        steps=asked.steps if asked.until == "converged" else len(result.losses),
        batch_size=None if rows is None else min(rows, task.data.rows),
        freeze_model=True,
        patience=None,
    )
    same = replace(task, build=lambda: result.model)
    device, kwargs = str(result.device), result.program.kwargs
    return fit_one(same, result.guide_spec, settings, device, kwargs)
