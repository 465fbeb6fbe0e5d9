"""Calls of the public functions with arguments that are wrong in many ways, drawn by a seed.

A call is a door (the function), a kind of wrongness, and the arguments.
"""

import contextlib
import io
import random
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from unittest.mock import patch

import torch
from pyro.infer.autoguide import AutoNormal
from typer.main import get_command

import guides
import zoo
from benchmarks.robustness.fuzz_doors import (
    DOORS,
    FAMILIES,
    OPTIONS,
    RECORDS,
    SHARES,
    bits_task,
    task,
)
from benchmarks.robustness.fuzz_outcomes import Call, Refused
from benchmarks.robustness.fuzz_user_code import (
    OwnError,
    X,
    mean_model,
    own_guide,
    raising,
    rows_model,
)
from benchmarks.robustness.fuzz_values import strangers, tensors, values
from zoo.checks.shown import shown
from zoo.cli.app import app, main
from zoo.objectives import OBJECTIVES, Trace, as_objective

WORDS = (
    "ten",
    "",
    "-1",
    "0",
    "nan",
    "inf",
    "1e400",
    "1.5",
    "tpu",
    "cuda:9",
    "trase",
    "[/red]",
    "8,x",
    ",",
    "9" * 30,
    "all",
    "none",
    "auto",
    "x" * 300,
)
ERRORS = (
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    RuntimeError,
    ZeroDivisionError,
    NotImplementedError,
    torch.linalg.LinAlgError,
    OSError,
    OwnError,
)


def calls(count: int, seed: int = 0) -> Iterator[Call]:
    """So many calls; the first ones of a longer run are those of a shorter one."""
    chance = random.Random(seed)
    makers = [argument_call] * 12 + [data_call] * 3 + [record_call] * 4 + [family_call]
    makers += [command_call] * 2 + [raising_call] * 2 + [keyword_call]
    for _ in range(count):
        yield chance.choice(makers)(chance)


def argument_call(chance: random.Random) -> Call:
    """One or two arguments of a function are wrong."""
    doors = [name for name in DOORS for _ in range(SHARES.get(name, 1))]
    name = chance.choice(doors)
    function, first, settings = DOORS[name]()
    kinds = values() | {"device": ["tpu", "cuda:9", "cpu:1", "meta", torch.device("meta"), "CPU"]}
    everything, wrong, kind = first | settings, {}, ""
    for argument in chance.sample(
        list(everything), min(len(everything), chance.choice((1, 1, 2)))
    ):
        kind = "device" if argument == "device" else chance.choice(list(kinds))
        wrong[argument] = chance.choice(kinds[kind])
        if argument == "compile" and wrong[argument] is True:
            wrong[argument] = "on"
        if argument == "resume" and isinstance(wrong[argument], zoo.Fit):
            wrong[argument] = "fit"
    given = everything | wrong
    places = [given.pop(one) for one in first]
    return Call(name, kind, said(wrong), partial(function, *places, **given))


def data_call(chance: random.Random) -> Call:
    """A user's own model is given data of a strange kind."""
    kind, value = chance.choice(list((tensors() | strangers()).items()))
    model = chance.choice((rows_model, mean_model))
    guide = chance.choice(
        (
            guides.AmortisedNormal,
            guides.PerDatum,
            guides.MeanField,
            own_guide,
            AutoNormal,
            guides.IAF,
        )
    )
    size = chance.choice((None, None, "auto", 4))
    if chance.random() < 0.2:
        return Call(
            "describe", f"data: {kind}", model.__name__, partial(zoo.describe, model, value)
        )
    settings = {"steps": 1, "compile": False, "batch_size": size, "device": "cpu"}
    return Call(
        "fit",
        f"data: {kind}",
        f"{model.__name__}, {guide.__name__}, {size}",
        partial(zoo.fit, model, guide, value, **settings),
    )


def record_call(chance: random.Random) -> Call:
    """A field of an objective, a schedule or other settings is wrong."""
    record = chance.choice([one for one in RECORDS if fields(one)])
    kinds = values()
    kind = chance.choice(list(kinds))
    given = {chance.choice(fields(record)).name: chance.choice(kinds[kind])}
    usual = {
        "value": 0.5,
        "start": 0.0,
        "end": 1.0,
        "steps": 5,
        "rate": 0.1,
        "at": (3,),
        "factor": 0.1,
        "particles": 5,
        "name": "trace",
        "objective": Trace(),
    }
    needed = {one.name for one in fields(record)} & set(usual)
    full = {name: usual[name] for name in needed} | given
    objective = record in {type(one) for one in OBJECTIVES.values()}
    door = "objectives" if objective else "schedules and settings"
    return Call(door, kind, f"{record.__name__}: {said(given)}", partial(record, **full))


def family_call(chance: random.Random) -> Call:
    """A setting of a guide is wrong."""
    family = chance.choice(list(FAMILIES))
    kinds = values()
    kind = chance.choice(list(kinds))
    given = {chance.choice((*FAMILIES[family], "depht")): chance.choice(kinds[kind])}
    guide = partial(family, **given)
    data = bits_task() if family in (guides.Relaxed, guides.AmortisedLayers) else task()
    return Call(
        "settings of guides",
        kind,
        f"{family.__name__}: {said(given)}",
        partial(zoo.fit, data, guide, steps=1, compile=False, device="cpu"),
    )


def keyword_call(chance: random.Random) -> Call:
    """A keyword that the function does not have."""
    name = chance.choice(list(DOORS))
    function, first, settings = DOORS[name]()
    word = chance.choice(("stepz", "learning_rate", "epochs", "gpu"))
    if name == "describe":  # its keywords are the model's
        return Call(name, "unknown name", word, partial(as_objective, word))
    return Call(name, "unknown keyword", word, partial(function, *first.values(), **{word: 1}))


def raising_call(chance: random.Random) -> Call:
    """The user's model raises: at its first call, or at a later one."""
    error, after = chance.choice(ERRORS), chance.choice((1, 1, 2, 3, 4, 6))
    model = raising(error, after)
    guide = chance.choice((guides.MeanField, own_guide, AutoNormal))
    run = partial(zoo.fit, model, guide, X[:, 0], steps=3, compile=False, device="cpu")
    return Call("fit", "model raises", f"{error.__name__} at call {after}", run, error)


def command_call(chance: random.Random) -> Call:
    """An option of the command line is wrong."""
    command = chance.choice(("fit", "fit", "fit", *OPTIONS))
    words = [command, *OPTIONS[command]]
    for _ in range(chance.choice((1, 1, 2))):
        words += [chance.choice(options_of(command)), chance.choice(WORDS)]
    return Call(
        "command line", f"option: {command}", " ".join(words)[:200], partial(_command, words)
    )


def options_of(command: str) -> list[str]:
    """The options of a command that take a value."""
    found = get_command(app).commands[command].params
    return sorted(one.opts[0] for one in found if _takes_word(one))


def _takes_word(option: object) -> bool:
    name = option.opts[0]
    return name.startswith("--") and name not in ("--out", "--metrics") and not option.is_flag


def _command(words: list[str]) -> None:
    """Runs the command line in this process; raises what it lets through."""
    heard = io.StringIO()
    with (
        patch.object(sys, "argv", ["zoo", *words]),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(heard),
    ):
        try:
            main()
        except SystemExit as exit:
            if exit.code == 2:
                raise Refused(heard.getvalue()) from exit
            if exit.code:
                raise


def said(given: dict[str, object]) -> str:
    """Arguments in words, short."""
    return ", ".join(f"{name}={shown(value)}" for name, value in given.items())[:200]
