"""Calls of the public functions with arguments that are wrong in many ways, drawn by a seed.

A call is a door (the function), a kind of wrongness, and the arguments. What becomes of it is one
of OUTCOMES; a foreign exception is any that is neither the zoo's own, raised by its own hand, nor
what the user's model raised, nor Python's for a keyword that a function does not have.
"""

import contextlib
import io
import linecache
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from unittest.mock import patch

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoContinuous, AutoGuide, AutoNormal
from pyro.infer.autoguide.effect import AutoNormalMessenger
from torch import nn
from typer.main import get_command

import guides
import zoo
from guides.per_datum_iaf import PerDatumIAF
from zoo.checks.arguments import shown
from zoo.cli.app import app, main
from zoo.comparison.compare import compare
from zoo.compile.code_cache import CompileError
from zoo.data import load_data
from zoo.evaluation.local_optimisation import Search
from zoo.evidence.ais import AnnealedImportance
from zoo.evidence.bdmc import Bidirectional
from zoo.evidence.smc import TemperedSMC
from zoo.evidence.streamed_bound import StreamedBound
from zoo.objectives import OBJECTIVES, Trace, as_objective
from zoo.objectives.baselines import ConstantBaseline, DecayingAverage, Neural
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear

OUTCOMES = ("accepted", "refused", "signature", "own model", "foreign")
NAMED = (ValueError, zoo.CaptureError, zoo.DivergenceError, CompileError)
OURS = tuple(str(Path(package.__file__).parent) for package in (zoo, guides))
X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        door: the function that is called.
        kind: what is wrong with it.
        said: the arguments in words.
        run: makes the call.
        raises: the class that the user's own model raises; None if it raises nothing.
    """

    door: str
    kind: str
    said: str
    run: Callable[[], object]
    raises: type[Exception] | None = None


class Mine(Exception):
    """An error of the user's own."""


class Net(nn.Module):
    """A user's module, neither guide nor model."""

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 1)


def rows_model(x):
    """A user's model with a latent for each row."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z[..., None], 1.0).expand([*z.shape, 3]).to_event(1), obs=x)


def mean_model(x):
    """A user's model with one latent."""
    mean = pyro.sample("mean", dist.Normal(torch.zeros(()), 1.0))
    with pyro.plate("data", x.shape[0]):
        pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(x.dim() - 1), obs=x)


def own_guide(x):
    """A user's guide for `mean_model`."""
    loc = pyro.param("loc", torch.zeros(()))
    pyro.sample("mean", dist.Normal(loc, 1.0))


def raising(error, after):
    """A model that raises from its call number `after` on."""
    calls = []

    def raising_model(x):
        calls.append(None)
        if len(calls) >= after:
            raise error("the model's own words")
        return mean_model(x)

    return raising_model


@cache
def task():
    """A small task of the zoo."""
    return zoo.load("ppca", "factor_analysis")


@cache
def bits_task():
    """A small task with binary latents."""
    return zoo.load("bernoulli_latent")


@cache
def fitted():
    """A small fit with latents for each row."""
    return zoo.fit(task(), guides.AmortisedNormal, steps=2, compile=False)


@cache
def saved():
    """A folder with a saved fit."""
    return zoo.save(fitted(), Path(tempfile.mkdtemp()) / "fit")


def values() -> dict[str, list]:
    """Kind of wrongness -> values of it. A value may be right for some arguments."""
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    return {
        "text": ["ten", "", "1", "None", "auto ", "x" * 300, "\0", "[/red]"],
        "boolean": [True, False, np.bool_(1)],
        "nothing": [None],
        "fraction": [1.5, 0.25, 3.0, -0.0, 1e-300],
        "not finite": [float("nan"), float("inf"), -float("inf")],
        "out of range": [0, -1, -7, 10**30, -(10**30), 2**63, 1e300, -0.5, 10**5000],
        "numpy number": [np.int64(2), np.float32(0.5), np.float64("nan"), np.int8(-3)],
        "numpy array": [np.zeros(3), np.zeros(0), np.array(2), np.array("a"), np.zeros((2, 2))],
        "tensor": [torch.tensor(2), torch.tensor(0.5), *tensors().values()],
        "collection": [[], (), {}, set(), [1], (1, 2), ["a"], [None], {"a": 1}, [[]], [X], [2.0]],
        "class": [int, object, Trace, nn.Module, Net, guides.MeanField, torch.optim.Adam, dict],
        "abstract class": [guides.Guide, AutoGuide, AutoContinuous, AutoNormalMessenger],
        "object": [object(), Trace(), Trace_ELBO(), Net(2), adam, fitted(), task(), X],
        "function": [len, partial(_same), _nothing, _same, _text],
        "name": ["trase", "mean_feild", "elbo", "ppca", "test", "tset", "digit", "adm", "trace"],
        "complex or bytes": [1j, b"trace", range(3), ...],
    }


def _nothing(*args, **kwargs):
    return None


def _same(step):
    return step


def _text(*args, **kwargs):
    return "text"


def tensors() -> dict[str, torch.Tensor]:
    """Kinds of tensors that are no ordinary data, or only just."""
    bad = X.clone()
    bad[2, 1] = float("nan")
    return {
        "empty": torch.zeros(0),
        "no rows": torch.zeros(0, 3),
        "no columns": torch.zeros(3, 0),
        "bfloat16": X.bfloat16(),
        "half": X.half(),
        "complex": torch.complex(X, X),
        "sparse": X.to_sparse(),
        "meta": X.to("meta"),
        "integers": torch.arange(36).reshape(12, 3),
        "booleans": X > 0,
        "nan": bad,
        "infinite": X / 0,
        "huge": X * 1e17,
        "gradient": X.clone().requires_grad_(),
        "single": X.to(torch.float32),
        "double": X.to(torch.float64),
        "one row": X[:1],
        "scalar": torch.tensor(1.0),
        "four dimensions": X.reshape(2, 2, 3, 3),
    }


# Doors: a call that is right and cheap; each argument may be replaced by a value that is wrong.


def fit_door():
    settings = {
        "objective": "trace",
        "steps": 1,
        "optimizer": "adam",
        "lr": 0.01,
        "lr_schedule": None,
        "weight_decay": 0.0,
        "clip_norm": None,
        "batch_size": "auto",
        "seed": 0,
        "device": "cpu",
        "kl_weight": None,
        "freeze_model": False,
        "patience": None,
        "valid_every": 1,
        "progress": False,
        "model_kwargs": None,
        "resume": None,
        "compile": False,
        "replicas": None,
        "until": "steps",
    }
    return zoo.fit, {"model": task(), "guide": guides.AmortisedNormal}, settings


def evaluate_door():
    settings = {"metrics": ["elbo"], "split": "test", "draws": 20, "seed": 0}
    return zoo.evaluate, {"result": fitted()}, settings


def gaps_door():
    search = Search(block=2, limit=2)
    settings = {"rows": 2, "draws": 20, "objective": Trace(), "split": "train", "seed": 0}
    first = {"fit": fitted(), "families": [guides.PerDatum]}
    return zoo.measure_gaps, first, settings | {"search": search}


def gradients_door():
    settings = {
        "at": "initial",
        "draws": 128,
        "temperatures": (0.5,),
        "training": None,
        "steps": 1,
        "lr": None,
        "tune": 0,
        "rows": 2,
        "reference_draws": 128,
        "seed": 0,
        "device": "cpu",
        "shown": None,
    }
    first = {"task": bits_task(), "guide": guides.AmortisedDiscrete, "objectives": ["rloo"]}
    return zoo.measure_gradients, first, settings


def compare_door():
    settings = {
        "seeds": 1,
        "steps": 1,
        "lr": None,
        "batch_size": "auto",
        "draws": 20,
        "device": "cpu",
        "compile": False,
        "progress": False,
        "budget": None,
    }
    first = {"task": task(), "guides": ["amortised_normal"], "objectives": ["trace"]}
    return compare, first, settings


def load_door():
    settings = {
        "data": None,
        "seed": 0,
        "binarize": None,
        "download": False,
        "prior": None,
        "likelihood": None,
        "decoder": None,
        "latent": None,
        "groups": None,
    }
    return zoo.load, {"model": "vae"}, settings


def load_data_door():
    return load_data, {"name": "banana"}, {"seed": 0, "binarize": None, "download": False}


def save_door():
    return zoo.save, {"result": fitted(), "path": Path(tempfile.mkdtemp()) / "fit"}, {}


def load_fit_door():
    settings = {"model": None, "guide": None, "device": "cpu", "model_kwargs": None}
    return zoo.load_fit, {"path": saved()}, settings


def describe_door():
    return zoo.describe, {"model": rows_model}, {"rows": None}


def mismatch_door():
    first = {"latents": fitted().latents, "guide": guides.MeanField, "objective": Trace()}
    return zoo.mismatch, first, {}


DOORS = {
    "fit": fit_door,
    "evaluate": evaluate_door,
    "gaps": gaps_door,
    "gradients": gradients_door,
    "compare": compare_door,
    "load": load_door,
    "load_data": load_data_door,
    "save": save_door,
    "load_fit": load_fit_door,
    "describe": describe_door,
    "mismatch": mismatch_door,
}
SHARES = {"fit": 8, "evaluate": 3, "gaps": 2, "gradients": 3, "compare": 3, "load": 3}
RECORDS = (
    *dict.fromkeys(type(one) for one in OBJECTIVES.values()),
    *(ConstantBaseline, DecayingAverage, Neural),
    *(Constant, Linear, Exponential, Cosine, Drops),
    *(Search, AnnealedImportance, Bidirectional, TemperedSMC, StreamedBound),
    zoo.Estimator,
)
FAMILIES = {  # guide -> settings of it
    guides.AmortisedNormal: ("fixed_scale", "body"),
    guides.AmortisedIAF: ("depth", "hidden", "context", "body"),
    guides.AmortisedPlanar: ("depth",),
    guides.AmortisedSpline: ("depth", "bins", "hidden", "context"),
    guides.AmortisedNAF: ("depth", "units", "hidden"),
    guides.AmortisedSylvester: ("depth",),
    guides.AmortisedHouseholder: ("depth",),
    PerDatumIAF: ("depth", "hidden"),
    guides.Relaxed: ("temperature", "straight_through", "learned", "rao", "body"),
    guides.AmortisedLayers: ("hidden",),
}
OPTIONS = {
    "fit": ("ppca", "--data", "factor_analysis", "--steps", "1", "--draws", "20", "--json"),
    "compare": ("ppca", "--data", "factor_analysis", "--guides", "nobody", "--steps", "1"),
    "gradients": ("bernoulli_latent", "--objectives", "nobody"),
    "evaluate": ("no/such/folder",),
    "picture": ("nobody",),
    "reference": ("nobody",),
}
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
    Mine,
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


def strangers() -> dict[str, object]:
    """What is no tensor at all."""
    return {
        "numpy": X.numpy(),
        "numpy, empty": np.zeros(0),
        "number": 3.0,
        "text": "rows",
        "nothing": None,
        "list": [1.0, 2.0],
        "dict": {"x": X},
        "tuple of tensors": (X, X),
        "ordinary": X,
    }


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


class Refused(Exception):
    """The command line ended with status 2."""


def said(given: dict[str, object]) -> str:
    """Arguments in words, short."""
    return ", ".join(f"{name}={shown(value)}" for name, value in given.items())[:200]


def outcome(call: Call) -> tuple[str, Exception | None]:
    """What becomes of a call: one of OUTCOMES, and what it raised."""
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
        ):
            warnings.simplefilter("ignore")
            call.run()
    except Refused as error:
        return "refused", error
    except Exception as error:  # noqa: BLE001
        return _judged(call, error), error
    except SystemExit as error:
        return "foreign", RuntimeError(f"SystemExit({error.code})")
    return "accepted", None


def _judged(call: Call, error: Exception) -> str:
    frames = list(_frames(error.__traceback__))
    if call.raises is not None:
        return "own model" if type(error) is call.raises else "foreign"
    if any(name in MODELS and file == __file__ for file, name, _ in frames):
        return "own model"
    if _scores_data(error.__traceback__):
        return "own model"
    if isinstance(error, TypeError) and not frames:
        return "signature"
    file, _, line = frames[-1]
    by_hand = file.startswith(OURS) and linecache.getline(file, line).strip().startswith("raise")
    return "refused" if isinstance(error, NAMED) and by_hand else "foreign"


MODELS = ("rows_model", "mean_model", "own_guide", "raising_model", "_nothing", "_same", "_text")


def _scores_data(trace: TracebackType | None) -> bool:
    """Did the model's own distribution refuse the data that the model observes?"""
    while trace is not None:
        site = trace.tb_frame.f_locals.get("site")
        if trace.tb_frame.f_code.co_name == "compute_log_prob" and site["is_observed"]:
            return True
        trace = trace.tb_next
    return False


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, str, int]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name != "outcome":
            yield code.co_filename, code.co_name, trace.tb_lineno
        trace = trace.tb_next
