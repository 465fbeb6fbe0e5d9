"""What `names.json` holds of each model, guide, objective, data set and metric.

It is taken from the code: descriptions from docstrings, sizes and defaults from the model that is
built, reasons from the rules of pairing.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from torch import nn

from guides import GUIDES
from zoo.cli.catalogue.docstrings import Said, docstring, heading_of, metrics_of, said_of
from zoo.data import DATA
from zoo.evaluation.groups import PARTS
from zoo.evidence import ESTIMATORS
from zoo.isolation import isolated
from zoo.latents import Latent, Latents
from zoo.latents.family import class_of
from zoo.models import MODELS, Recipe
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import mismatch
from zoo.priors import PRIORS
from zoo.protocols import HasEvidence, HasExactDraws, HasMoments, HasPosterior
from zoo.reference import reference
from zoo.sites.supports import in_words
from zoo.task import Task, load
from zoo.training.run import describe_task

Card = dict[str, Any]
Refused = list[dict[str, Any]]  # {"why": a sentence, "names": those that it is said of}

EVERY_ROW = "one for each row"
ONCE = "shared by all rows"
SLOWLY = "slow: computed where it is asked for by name"


def all_cards(pairs: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, Card]]:
    """Kind -> name -> card.

    Args:
        pairs: model -> guide -> objectives that go together, on the model's usual data.
    """
    return {
        "model": {name: model_card(name, pairs[name]) for name in MODELS},
        "guide": {name: guide_card(name) | _example(name, pairs) for name in GUIDES},
        "objective": {name: objective_card(name) | _taken(name, pairs) for name in OBJECTIVES},
        "data": {name: data_card(name) for name in DATA},
        "metric": metric_cards(),
    }


def model_card(name: str, pairs: dict[str, list[str]]) -> Card:
    """A model: what it is, its sizes and defaults, what is exact, what goes with it and not."""
    recipe, task = MODELS[name], load(name)
    with isolated(seed=0):
        model: Any = task.build()
    said, topic = said_of(name, _module_of(recipe, model)), heading_of(_topic_module(recipe))
    latents = describe_task(task)
    guide, objective = task.usual_guide, recipe.objective
    return _said(said) | {
        "topic": topic[0],
        "usual": _usual(recipe, guide),
        "parts": {key: _plain(value) for key, value in task.parts.given.items()},
        "data": recipe.data,
        "rows": _rows(task),
        "latents": [_latent(site) for site in latents.sites],
        "parameters": sum(one.numel() for one in model.parameters()),
        "guide parameters": _size_of_guide(guide, latents, model),
        "exact": _exact(task, model),
        "fitting guides": [one for one, names in pairs.items() if objective in names],
        "guides by another objective": {
            one: names[0] for one, names in pairs.items() if names and objective not in names
        },
        "refused guides": _refused(latents, list(GUIDES), [objective]),
        "fitting objectives": pairs.get(guide, []),
        "refused objectives": _refused(latents, [guide], list(OBJECTIVES)),
    }


def guide_card(name: str) -> Card:
    """A guide: what it is, and its settings."""
    guide = GUIDES[name]
    family: Any = class_of(guide)
    own = guide.keywords if isinstance(guide, partial) else {}
    settings = {
        key: _plain(own.get(key, one.default))
        for key, one in inspect.signature(family).parameters.items()
        if one.default is not inspect.Parameter.empty
    }
    return _said(said_of(name, family.__module__)) | {
        "class": _in_python(guide),
        "settings": settings,
        "scopes": sorted(family.scopes),
        "kinds": sorted(kind.value for kind in family.kinds),
        "amortised": family.amortised,
    }


def _in_python(guide: Any) -> str:
    """What makes the class: its name, or the call that composes it."""
    family: Any = class_of(guide)
    if not family.parts:
        return f"guides.{family.__name__}"
    return f"guides.compose({', '.join(map(_in_python, family.parts))})"


def objective_card(name: str) -> Card:
    """An objective: what it is, and its settings."""
    one: Any = OBJECTIVES[name]
    settings = {field.name: _plain(getattr(one, field.name)) for field in fields(one)}
    return _said(said_of(name, type(one).__module__)) | {
        "class": f"zoo.objectives.{type(one).__name__}",
        "settings": settings,
    }


def data_card(name: str) -> Card:
    """A data set: what it is, and a model that takes it."""
    module = _loader_module(name)
    usual = [model for model, recipe in MODELS.items() if recipe.data == name]
    near = [m for m, recipe in MODELS.items() if _loader_module(recipe.data) == module]
    return _said(said_of(name, module)) | {"model": (usual or near or ["vae"])[0]}


def metric_cards() -> dict[str, Card]:
    """The metrics, each under its group; what is said stands in the docstrings of the groups."""
    found: dict[str, Card] = {}
    for part in PARTS:
        module = inspect.unwrap(_function(part.compute)).__module__
        lines = metrics_of(module)
        for name in part.names:
            found[name] = {"says": lines[name], "topic": part.group, "text": ""}
            found[name]["note"] = "" if part.quick else SLOWLY
    for name, estimator in ESTIMATORS.items():
        said = said_of(name, type(estimator).__module__)
        found[name] = _said(said) | {"topic": "evidence by simulation", "note": SLOWLY}
    return found


def group_says() -> dict[str, str]:
    """Group of metrics -> the first line of its file."""
    modules = {p.group: inspect.unwrap(_function(p.compute)).__module__ for p in PARTS}
    return {group: docstring(module).splitlines()[0] for group, module in modules.items()}


def topics() -> dict[str, str]:
    """Topic of models -> what is said of it, in the order of the models."""
    return dict(heading_of(_topic_module(recipe)) for recipe in MODELS.values())


def _said(said: Said) -> Card:
    return {"says": said.says, "topic": said.topic, "text": said.text}


def _module_of(recipe: Recipe, model: nn.Module) -> str:
    """The file that is about a model: that of its `from_parts`, or that of its class."""
    built = recipe.build.__module__
    return type(model).__module__ if hasattr(sys.modules[built], "__path__") else built


def _topic_module(recipe: Recipe) -> str:
    built = recipe.build.__module__
    return built if hasattr(sys.modules[built], "__path__") else built.rpartition(".")[0]


def _loader_module(name: str) -> str:
    """The file that a data set is loaded in; one made by a function of another file has it too."""
    loader = DATA[name]
    files = [module for place, module in sys.modules.items() if place.startswith("zoo.data.")]
    own = [module.__name__ for module in files if vars(module).get("load") is loader]
    return own[0] if own else inspect.unwrap(_function(loader)).__module__


def _function(value: Any) -> Callable:
    return _function(value.func) if isinstance(value, partial) else value


def _usual(recipe: Recipe, guide: str) -> Card:
    return {
        "guide": guide,
        "objective": recipe.objective,
        "steps": recipe.steps,
        "lr": recipe.lr,
        "batch_size": recipe.batch_size,
    }


def _rows(task: Task) -> dict[str, Any]:
    """Of each split the shapes of its tensors."""
    splits = {"train": task.data.train, "valid": task.data.valid, "test": task.data.test}
    return {
        split: {label: list(x.shape) for label, x in zip(task.data.labels, batch, strict=True)}
        for split, batch in splits.items()
        if batch
    }


def _latent(site: Latent) -> str:
    """A line on a latent: "z: real vectors of 10, one for each row"."""
    plates = [f"{plate.name} of {plate.size}" for plate in site.plates if not site.local]
    where = EVERY_ROW if site.local else ONCE
    inner = f", in plate {' and '.join(plates)}" if plates else ""
    return f"{site.name}: {in_words(site.support, site.event_shape)}, {where}{inner}"


def _size_of_guide(name: str, latents: Latents, model: nn.Module) -> int:
    family: Any = GUIDES[name]
    with isolated(seed=0):
        built = family(latents, model) if class_of(family).takes_model else family(latents)  # type: ignore[attr-defined]
    return sum(one.numel() for one in built.parameters())


def _exact(task: Task, model: Any) -> list[str]:
    """What the model knows exactly; what is a sum of too many terms is left out."""
    train = task.scoring_args("train")
    args = tuple(x[:2] if task.data.rowwise else x for x in train)
    found = list[str]()
    for kind, words, ask in (
        (HasEvidence, "log evidence log p(x)", lambda: model.log_evidence(*args)),
        (HasPosterior, "posterior", lambda: model.posterior(*args)),
        (HasMoments, "posterior means and sds", lambda: model.posterior_moments(*args)),
        (HasExactDraws, "exact draws", lambda: model.exact_draws(1, *args)),
    ):
        try:
            if isinstance(model, kind):
                ask()
                found.append(words)
        except ValueError:
            continue
    return found + (["reference draws of the posterior, by NUTS"] if reference(task) else [])


def _refused(latents: Latents, guides: list[str], objectives: list[str]) -> Refused:
    """What does not go together, by reason; the name that varies is "it" in the sentence."""
    found: dict[str, list[str]] = {}
    for guide in guides:
        for objective in objectives:
            family, aim = GUIDES[guide], OBJECTIVES[objective]
            sentence = mismatch(latents, family, aim)
            if sentence is not None:
                varies = class_of(family) if len(guides) > 1 else type(aim)
                why = sentence.replace(varies.__name__, "it")
                why = why[0].upper() + why[1:]
                found.setdefault(why, []).append(guide if len(guides) > 1 else objective)
    return [{"why": why, "names": names} for why, names in found.items()]


def _example(guide: str, pairs: dict[str, dict[str, list[str]]]) -> Card:
    """A model that takes a guide with its usual objective, and all that take it with any.

    One that fits no model as it usually is needs a prior that recognises latents.
    """
    takes = [model for model, own in pairs.items() if guide in own]
    if not takes:
        prior = next(name for name, choice in PRIORS.items() if choice.recognises)
        models = [name for name, recipe in MODELS.items() if recipe.shared_guide == guide]
        return {"model": _first(models), "models": models, "options": f" --prior {prior}"}
    usual = [model for model in takes if MODELS[model].objective in pairs[model][guide]]
    return {"model": _first(usual or takes), "models": takes}


def _taken(objective: str, pairs: dict[str, dict[str, list[str]]]) -> Card:
    """The same for an objective; of each model the guides that it goes with."""
    takes = {
        model: [guide for guide, names in own.items() if objective in names]
        for model, own in pairs.items()
    }
    usual = [model for model, names in takes.items() if MODELS[model].guide in names]
    found = [model for model, names in takes.items() if names]
    return {"model": _first(usual or found), "guides": {m: g for m, g in takes.items() if g}}


def _first(models: list[str]) -> str:
    """The model that examples use, if it is among them."""
    return next((name for name in ("vae", "bernoulli_latent") if name in models), models[0])


def _plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else repr(value)
