"""The command that repeats one run of a sweep, or the call in Python where there is no command."""

from collections.abc import Mapping
from typing import Any

from guides import GUIDES
from zoo.objectives import OBJECTIVES
from zoo.optim.schedules import Linear
from zoo.sweeps.grid import PARTICLES, Setting
from zoo.task import Task

SWITCH = {True: "on", False: "off", "auto": "auto"}
AS_THEY_ARE = ("steps", "lr", "until", "tolerance", PARTICLES)


def command_of(task: Task, setting: Setting, common: Mapping[str, Any], device: str) -> str:
    """`zoo fit ...` for the first seed of a setting, with one thread as in the sweep.

    Where the model, the guide, the objective or a setting is not known to the command line, it is
    the call of :func:`zoo.fit`.

    Args:
        task: what was fitted.
        setting: what was chosen.
        common: settings that all runs have.
        device: as for :func:`zoo.fit`.
    """
    asked = dict(common) | setting.values | ({} if device == "auto" else {"device": device})
    words, options = _task_words(task), _options(asked)
    known = setting.guide in GUIDES and setting.objective in OBJECTIVES
    if words is None or options is None or not known:
        return _call(setting, asked)
    pair = ["--guide", setting.guide, "--objective", setting.objective]
    return " ".join(["OMP_NUM_THREADS=1 zoo fit", *words, *pair, *options, "--seed 0"])


def _task_words(task: Task) -> list[str] | None:
    """The model, its parts and its data as the command line takes them; None if it cannot."""
    recipe, data = task.recipe, task.data
    if recipe is None or data.seed != 0:
        return None
    words = [task.name, "--data", data.name]
    if data.binarize != "none":
        words += ["--binarize", data.binarize]
    for name, part in task.parts.given.items():
        if part == getattr(recipe.parts, name):
            continue
        text = ",".join(map(str, part)) if isinstance(part, tuple) else str(part)
        words += [f"--{name}", text]
    return words


def _options(asked: Mapping[str, Any]) -> list[str] | None:
    """The settings as options; None if the command line has none for one of them."""
    words = list[str]()
    for name, value in asked.items():
        option = f"--{name.replace('_', '-')}"
        if name in ("compile", "average") and value != "auto":
            words += [option, SWITCH[value]]
        elif name == "batch_size" and value != "auto":
            words += [option, str(value or 0)]
        elif isinstance(value, Linear) and value == Linear(0.0, 1.0, value.steps):
            words += ["--kl-warm-up", str(value.steps)]
        elif name in (*AS_THEY_ARE, "device") and value is not None:
            words += [option, str(value)]
        elif value is not None and value != "auto":
            return None
    return words


def _call(setting: Setting, asked: Mapping[str, Any]) -> str:
    given = {"objective": setting.objective} | dict(asked) | {"seed": 0}
    objective = setting.objective
    if PARTICLES in given:
        objective = f"{objective} with {given.pop(PARTICLES)} particles"
        given["objective"] = objective
    words = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"zoo.fit(model, {setting.guide!r}, *data, {words})"
