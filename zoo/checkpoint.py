"""Saving a fit and loading it again: tensors in safetensors, the rest in JSON, nothing pickled.

A saved fit is a folder of two files, both written whole under other names and then moved into
place: `fit.json` says what was fitted and how, `state.safetensors` holds every tensor that the
next step depends on, so that a resumed fit goes on to the same numbers.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo import objectives, schedules
from zoo.convergence import Convergence
from zoo.isolation import isolated
from zoo.latents import Model
from zoo.models import MODELS
from zoo.parameters import restore
from zoo.prepare import pick_device, prepare
from zoo.result import Fit, Settings
from zoo.task import Task, given, load
from zoo.update import Update

FORMAT = 1
STATE, RECORD, PARTIAL = "state.safetensors", "fit.json", ".partial"
GUIDES = "guides"  # the only package a saved guide is looked up in


def save(result: Fit, path: str | Path) -> Path:
    """Saves a fit.

    Args:
        result: the fit.
        path: folder to write to; made if it is not there.

    Returns:
        The folder.

    Raises:
        ValueError: if the guide or the settings hold something that JSON cannot say.
    """
    folder, record = Path(path), json.dumps(_record(result), indent=2)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_tensors(result), folder / (STATE + PARTIAL))
    (folder / (RECORD + PARTIAL)).write_text(record)
    for name in (STATE, RECORD):
        os.replace(folder / (name + PARTIAL), folder / name)
    return folder


def load_fit(
    path: str | Path,
    model: Task | Model | None = None,
    *args: object,
    guide: Callable | None = None,
    device: str = "auto",
    model_kwargs: dict[str, object] | None = None,
) -> Fit:
    """Loads a saved fit.

    Args:
        path: the folder it was saved to.
        model: the task or model it was fitted on; None for a model of the zoo.
        *args: arguments of the model, where it is one of the user's own.
        guide: the guide it was fitted with; None for a guide of the zoo.
        device: "auto", "cpu" or "cuda".
        model_kwargs: keyword arguments of the model, where it was fitted with any.

    Raises:
        ValueError: if the folder holds no fit, or the model, guide or data is not the one saved.
    """
    folder = Path(path)
    if not (folder / RECORD).exists():
        raise ValueError(
            f"No fit in {folder}: there is no {RECORD}. Pass a folder zoo.save wrote."
        )
    record = json.loads((folder / RECORD).read_text())
    if record["format"] != FORMAT:
        raise ValueError(f"Expected a fit of format {FORMAT}; {folder} has {record['format']}.")
    task = _task(record, model, args)
    _check_kwargs(record, model_kwargs or {})
    tensors = load_file(folder / STATE)
    settings = _decode(record["settings"])
    with isolated(seed=settings.seed):
        spec = guide or _guide(record["guide"])
        run = prepare(task, spec, settings, pick_device(device), model_kwargs)
        _fill(run.fit, tensors, record)
        _check_state(run.fit)
        run.trainer.restore(run.fit.last)
    if run.fit.best is not None:
        restore(run.fit.program, run.fit.best)
    run.fit.program.eval()
    return run.fit


def _record(result: Fit) -> dict:
    data = result.task.data
    return {
        "format": FORMAT,
        "model": result.task.name,
        "parts": result.task.parts.given,
        "data": {"name": data.name, "seed": data.seed, "binarize": data.binarize},
        "data_hash": data.hash,
        "guide": _encode_guide(result.guide_spec),
        "settings": _encode(result.settings),
        "model_kwargs": sorted(result.program.kwargs),
        "steps_taken": len(result.losses),
        "optimizer_groups": result.last["optimizer"]["param_groups"],
        "valid": result.valid,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "convergence": asdict(result.convergence) if result.convergence else None,
        "path": result.path,
    }


def _tensors(result: Fit) -> dict[str, Tensor]:
    last = result.last
    tensors = {"losses": result.losses, "random": last["random"]}
    tensors |= {f"cuda_random/{i}": state for i, state in enumerate(last["cuda_random"])}
    tensors |= {f"last/{name}": value for name, value in last["program"].items()}
    tensors |= {f"best/{name}": value for name, value in (result.best or {}).items()}
    for i, state in last["optimizer"]["state"].items():
        tensors |= {f"optimizer/{i}/{key}": torch.as_tensor(v) for key, v in state.items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _fill(result: Fit, tensors: dict[str, Tensor], record: dict) -> None:
    """Puts the saved tensors and numbers into a fit that was just prepared."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer/", tensors).items():
        i, key = name.split("/", 1)
        state.setdefault(int(i), {})[key] = value
    result.last = {
        "step": record["steps_taken"],
        "program": _below("last/", tensors),
        "optimizer": {"state": state, "param_groups": record["optimizer_groups"]},
        "random": tensors["random"],
        "cuda_random": list(_below("cuda_random/", tensors).values()),
    }
    result.best = _below("best/", tensors) or None
    result.losses = tensors["losses"]
    result.valid = [(step, loss) for step, loss in record["valid"]]
    result.seconds, result.stopped = record["seconds"], record["stopped"]
    result.path = record["path"]
    found = record.get("convergence")
    result.convergence = Convergence(**found) if found else None


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _task(record: dict, model: Task | Model | None, args: tuple) -> Task:
    if model is None and record["model"] not in MODELS:
        raise ValueError(
            f"The fit is of '{record['model']}', which is no model of the zoo. Pass it: "
            "load_fit(path, model, *args)."
        )
    if model is None:
        parts = record.get("parts", {})
        task = load(record["model"], record["data"].pop("name"), **record["data"], **parts)
    else:
        task = model if isinstance(model, Task) else given(model, args)
    if task.data.hash != record["data_hash"]:
        raise ValueError(
            f"The fit was made on data with hash {record['data_hash']}; these have "
            f"{task.data.hash}. Load the same data, with the same seed and binarization."
        )
    return task


def _check_kwargs(record: dict, passed: dict[str, object]) -> None:
    if sorted(passed) != record["model_kwargs"]:
        raise ValueError(
            f"The model was fitted with keyword arguments {record['model_kwargs']}; got "
            f"{sorted(passed)}. Pass the same ones as model_kwargs."
        )


def _check_state(result: Fit) -> None:
    """Refuses saved tensors that are not those of this model, guide and objective."""
    here = {name: tuple(value.shape) for name, value in result.program.state_dict().items()}
    saved = {name: tuple(value.shape) for name, value in result.last["program"].items()}
    differing = sorted({name for name, _ in here.items() ^ saved.items()})
    if differing:
        name = differing[0]
        raise ValueError(
            f"The saved fit has '{name}' of shape {saved.get(name)}; the model and guide passed "
            f"give {here.get(name)}. Pass the model and guide that were fitted."
        )


def _encode_guide(spec: Callable) -> dict | None:
    """Name and keywords of a guide of the zoo; None for one that the user has to pass again."""
    family, keywords = (spec.func, spec.keywords) if isinstance(spec, partial) else (spec, {})
    if not (isinstance(family, type) and family.__module__.split(".")[0] == GUIDES):
        return None
    try:
        return {"name": family.__name__, "keywords": {k: _encode(v) for k, v in keywords.items()}}
    except ValueError:
        return None


def _guide(record: dict | None) -> Callable:
    if record is None:
        raise ValueError(
            "The fit's guide is none of the zoo's, or was given a module. Pass it: "
            "load_fit(path, guide=...)."
        )
    family = getattr(import_module(GUIDES), record["name"])
    return partial(family, **{k: _decode(v) for k, v in record["keywords"].items()})


def _encode(value: object) -> object:
    """A value as JSON: numbers, strings, lists, and the zoo's own dataclasses."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_encode(part) for part in value]
    if is_dataclass(value) and type(value).__name__ in _known():
        parts = {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **parts}
    raise ValueError(
        f"Cannot save {value!r}: only numbers, strings and the zoo's own objectives and schedules "
        "can be written. Use one of those."
    )


def _decode(value: object) -> Any:
    if isinstance(value, list):
        return tuple(_decode(part) for part in value)
    if isinstance(value, dict):
        kind = _known()[value["type"]]
        return kind(**{k: _decode(v) for k, v in value.items() if k != "type"})
    return value


def _known() -> dict[str, type]:
    members = [*vars(objectives).values(), *vars(schedules).values(), Settings, Update]
    return {
        kind.__name__: kind for kind in members if isinstance(kind, type) and is_dataclass(kind)
    }
