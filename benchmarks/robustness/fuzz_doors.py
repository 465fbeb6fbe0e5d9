"""The public functions with arguments that are right and cheap, and their settings by name.

A door is a public function: its arguments are right as they stand here, and each may be replaced
by a wrong one.
"""

import tempfile
from functools import cache
from pathlib import Path

import guides
import zoo
from benchmarks.robustness.fuzz_user_code import rows_model
from guides.per_datum_iaf import PerDatumIAF
from zoo.comparison.compare import compare
from zoo.data import load_data
from zoo.evaluation.local_optimisation import Search
from zoo.evidence.ais import AnnealedImportance
from zoo.evidence.bdmc import Bidirectional
from zoo.evidence.smc import TemperedSMC
from zoo.evidence.streamed_bound import StreamedBound
from zoo.objectives import OBJECTIVES, Trace
from zoo.objectives.baselines import ConstantBaseline, DecayingAverage, Neural
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear


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
        "objectives": ["trace"],
        "hold": False,
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
    first = {"model": task(), "guides": ["amortised_normal"]}
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
