"""A model that is trained once and held fixed, so that guides alone are compared."""

from dataclasses import dataclass, replace

from zoo.comparison.contenders import guide_label, objective_label
from zoo.data.fingerprint import fingerprint_of
from zoo.isolation import isolated
from zoo.program.guideless import without_guide
from zoo.results.result import Fit
from zoo.task import Task


@dataclass(frozen=True)
class Held:
    """Which model is held fixed.

    Attributes:
        fit: the fit whose trained model it is; None where the comparison trains it first.
    """

    fit: Fit | None = None

    def record(self) -> str:
        """What it is, for `results.json`: a comparison goes on under the same model only."""
        if self.fit is None:
            return "trained first"
        tensors = [*self.fit.program.parameters(), *self.fit.program.buffers()]
        return fingerprint_of([tensor.detach().cpu() for tensor in tensors])


NOTHING_TO_HOLD = "The model has no parameters, so that it is the same under every guide."


def learns_nothing(task: Task, kwargs: dict[str, object]) -> bool:
    """Has the model no parameters, so that there is nothing to train before it is held?"""
    with isolated(seed=0):
        program = without_guide(task.build(), task.split("train"), kwargs)
        return next(program.parameters(), None) is None


def under(fit: Fit) -> Task:
    """The fit's task with its trained model in the place of one with fresh parameters."""
    return replace(fit.task, build=lambda: fit.model)


def sentence(fit: Fit) -> str:
    """Says in a report what was held fixed."""
    guide, objective = guide_label(fit.guide_spec), objective_label(fit.settings.objective)
    return f"The model is held fixed as {guide} and {objective} trained it."
