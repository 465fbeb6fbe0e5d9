"""Which rows choose the best setting of a sweep, and how that is said."""

from dataclasses import dataclass, replace

import torch

from zoo.data.fingerprint import fingerprint_of
from zoo.latents import Latents
from zoo.task import Task

SHARED = (
    "All rows share latents of this model, so that no rows can be held out for the choice. The "
    "settings were compared on the data that they were trained on, with fresh draws. That is "
    "fair, as a bound is at most log p(x) under every setting; but the best of several estimates "
    "is a little too high, by chance."
)


@dataclass(frozen=True)
class Chooser:
    """The rows that the settings of a sweep are scored on.

    Attributes:
        split: "valid", or "train" where rows share latents.
        rows: number of these rows; 0 where the model is given none.
        test_rows: number of test rows; 0 where there are none, or they are not held out.
    """

    split: str
    rows: int
    test_rows: int

    @property
    def where(self) -> str:
        """The rows in words."""
        if self.split == "valid":
            return f"{self.rows} validation rows, which no fit was trained on"
        return "the data that the fits were trained on"


def chooser_of(task: Task, latents: Latents) -> Chooser:
    """The rows to choose on: validation rows where rows have latents of their own.

    Raises:
        ValueError: if such a task has no validation rows.
    """
    data = task.data
    if any(not site.local for site in latents.sites):
        return Chooser("train", data.rows, 0)
    if not data.valid:
        raise ValueError(
            f"A sweep chooses on rows that no fit was trained on, and '{task.name}' has no "
            "validation rows. Pass them, in the form of the model's arguments: valid=(x_valid,), "
            "and test=(x_test,) to report the best setting on."
        )
    return Chooser("valid", latents.rows_given(data.valid), latents.rows_given(data.test))


def with_splits(task: Task, valid: tuple | None, test: tuple | None) -> Task:
    """The task with the user's own validation and test rows.

    Raises:
        ValueError: for rows beside those that the task has, or of another form.
    """
    if valid is None and test is None:
        return task
    data, given = task.data, {"valid": valid, "test": test}
    for name, batch in given.items():
        if batch is not None and getattr(data, name):
            raise ValueError(
                f"'{task.name}' on '{data.name}' has {name} rows of its own. Leave {name}= out."
            )
        if batch is not None and not _alike(batch, data.train):
            raise ValueError(
                f"Expected {name} to be a tuple with the model's {len(data.train)} arguments for "
                f"other rows; got {_form(batch)} where training has {_form(data.train)}. Pass "
                f"e.g. {name}=(x_{name},)."
            )
    valid, test = valid or data.valid, test or data.test
    held = fingerprint_of((data.hash, valid, test))
    return replace(task, data=replace(data, valid=valid, test=test, hash=held))


def _alike(batch: object, train: tuple) -> bool:
    """Has it as many arguments, of the same shapes but for the rows?"""
    if not isinstance(batch, tuple) or len(batch) != len(train):
        return False
    return [_shape(one)[1:] for one in batch] == [_shape(one)[1:] for one in train]


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _form(batch: object) -> str:
    if not isinstance(batch, tuple):
        return type(batch).__name__
    return f"shapes {[_shape(one) for one in batch]}"
