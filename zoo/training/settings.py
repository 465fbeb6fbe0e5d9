"""From the arguments of a fit to its settings, or a clear error; every front door uses it."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from pyro.infer import ELBO

from zoo.checks.arguments import (
    flag,
    look_up,
    number,
    one_of,
    refusal,
    seed_given,
    several,
    shown,
    whole,
)
from zoo.objectives import LossOfPair, Objective, as_objective
from zoo.optim.optimizers import OPTIMIZERS
from zoo.optim.schedules import Schedule, check_schedule
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import Task

LONGER = 20  # times the usual steps are the most that until="converged" takes


def settings_of(
    task: Task,
    *,
    objective: str | Objective | ELBO | LossOfPair,
    steps: int | None,
    optimizer: str,
    lr: float | Sequence[float] | None,
    lr_schedule: Schedule | None,
    weight_decay: float,
    clip_norm: float | None,
    batch_size: int | str | None,
    seed: int,
    kl_weight: Schedule | None,
    freeze_model: bool,
    patience: int | None,
    valid_every: int,
    compile: bool | str,  # noqa: FBT001
    replicas: int | None,
    until: str,
) -> list[Settings]:
    """The settings of a fit, those of each replica; see :func:`zoo.fit` for the arguments.

    Raises:
        ValueError: with the name of the argument, what it was, what is expected and a way out.
    """
    recipe, count = task.recipe, 1 if replicas is None else whole("replicas", replicas)
    check_until(until, patience)
    usual = (recipe.steps if recipe else 1000) * (LONGER if until == "converged" else 1)
    length = usual if steps is None else whole("steps", steps, way="Pass e.g. steps=1000.")
    rates = rates_of(lr, recipe.lr if recipe else 1e-2, replicas)
    look_up("optimizer", optimizer, OPTIMIZERS)
    update = Update(
        optimizer,
        rates[0],
        check_schedule("lr_schedule", lr_schedule, length),
        number("weight_decay", weight_decay, least=0.0, way="Pass weight_decay=0.0 for none."),
        None if clip_norm is None else _clip_norm(clip_norm),
    )
    first = Settings(
        objective=as_objective(objective),
        steps=length,
        update=update,
        batch_size=batch_rows(batch_size, task),
        seed=seed_given(seed, count=count),
        kl_weight=check_schedule("kl_weight", kl_weight, length),
        freeze_model=flag("freeze_model", freeze_model),
        patience=None if patience is None else whole("patience", patience),
        valid_every=whole("valid_every", valid_every, way="Pass e.g. valid_every=500."),
        compile=compile_mode(compile),
        until=until,
    )
    return [
        replace(first, seed=first.seed + r, update=replace(update, lr=rate))
        for r, rate in enumerate(rates)
    ]


def _clip_norm(value: object) -> float:
    return number("clip_norm", value, above=0.0, way="Pass clip_norm=None to clip nothing.")


def check_until(until: object, patience: int | None) -> str:
    """When training ends: "steps" or "converged".

    Raises:
        ValueError: for anything else, or if patience would end it too.
    """
    found = one_of("until", until, ("steps", "converged"))
    if found == "converged" and patience is not None:
        raise ValueError(
            "until='converged' watches the fit and stops it by itself; got "
            f"patience={shown(patience)}. Leave it out."
        )
    return found


def compile_mode(value: object) -> bool | str:
    """True, False or "auto".

    Raises:
        ValueError: for anything else.
    """
    choices: tuple[bool | str, ...] = (True, False, "auto")
    return one_of("compile", value, choices)


def rates_of(asked: object, usual: float, replicas: int | None) -> list[float]:
    """One learning rate for each replica.

    Raises:
        ValueError: for rates that are not above 0, or a list of another length.
    """
    count = 1 if replicas is None else replicas
    if asked is None:
        return [usual] * count
    if not isinstance(asked, Sequence) or isinstance(asked, str):
        return [number("lr", asked, above=0.0, way="Pass e.g. lr=0.01.")] * count
    rates = several("lr", asked, "Pass e.g. lr=0.01.")
    if replicas != len(rates):
        raise ValueError(
            f"Expected one learning rate for each replica; got {len(rates)} for replicas="
            f"{replicas}. Pass replicas={len(rates)}."
        )
    return [number("each lr", rate, above=0.0, way="Pass e.g. lr=[0.01, 0.02].") for rate in rates]


def pick_device(device: object) -> str:
    """The device meant: "auto" is CUDA where there is one.

    Raises:
        ValueError: for an unknown device, or one that is not there.
    """
    name = str(device) if isinstance(device, torch.device) else device
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":") if isinstance(name, str) else ("", "", "")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or index == "" and name == kind):
        raise refusal("device", "'auto', 'cpu' or 'cuda'", device, "Pass device='auto'.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"Device '{name}' asked for; torch finds no CUDA. Use 'auto' or 'cpu'.")
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if index and int(index) >= there:
        way = f"There are {there}, counted from 0. Pass device='{kind}'."
        raise refusal("device", f"a {kind} device of this machine", device, way)
    return str(name)


def batch_rows(asked: object, task: Task) -> int | None:
    """Rows in a step; None for all of them.

    Raises:
        ValueError: if there are not so many rows.
    """
    recipe = task.recipe
    if isinstance(asked, str) and asked == "auto":
        asked = recipe.batch_size if recipe else None
    if asked is None:
        return None
    way = "Pass a number, None for all rows, or 'auto' for the task's own."
    whole("batch_size", asked, way=way)
    rows = task.data.rows
    if not rows:
        raise ValueError(
            f"Expected the rows of batch_size={asked} among the model's positional arguments; "
            "there is no tensor with rows. Pass them as arguments, or batch_size=None."
        )
    return whole("batch_size", asked, most=rows, way=f"There are {rows} rows. {way}")
