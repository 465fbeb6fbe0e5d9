"""Saving a fit and loading it again: tensors in safetensors, the rest in JSON, nothing pickled.

A saved fit is a folder of two files: `state-HASH.safetensors` holds every tensor that the next
step depends on, so that a resumed fit goes on to the same numbers, and `fit.json` says what was
fitted and how, and names the state with its SHA-256. The state is written first, under a name of
its own, and `fit.json` then moved into place: at every moment the folder holds one whole fit.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import safetensors.torch

from zoo.checks.arguments import instance, place
from zoo.checks.inputs import check_kwargs
from zoo.copies import lent
from zoo.data.fingerprint import fingerprint_of
from zoo.device import pick_device
from zoo.files import STATE, remove_partial, write_whole
from zoo.isolation import isolated
from zoo.latents import Model
from zoo.models import MODELS
from zoo.objectives import Objective, as_objective
from zoo.optim.schedules import Schedule
from zoo.pairing.guide_input import check_guide
from zoo.results.earlier import Earlier, earlier_from, numbers_of, tensors_of
from zoo.results.encoding import decode, decode_guide, encode, own_name
from zoo.results.record import RECORD, damaged, read_record, written
from zoo.results.request import asked
from zoo.results.result import Fit, Settings
from zoo.task import Task, load, task_of
from zoo.training.run import as_it_was, prepare

TRIES = 3  # a fit that is training may replace the state between the reading of two files


def save(result: Fit, path: str | Path) -> Path:
    """Saves a fit; one that is in the folder already is replaced.

    Args:
        result: the fit.
        path: folder to write to; made if it is not there.

    Returns:
        The folder.

    Raises:
        OSError: if it cannot be written; an earlier fit in the folder stays as it was.
    """
    instance("result", result, Fit, "Pass what zoo.fit gave; a list of fits one by one.")
    folder = place("path", path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"Expected path to be a folder; {folder} is a file. Name another one.")
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, {"fit": write_state(result, folder)})
    return folder


def write_state(result: Fit, folder: Path) -> dict:
    """Writes the tensors of a fit; returns the part of the record that is about it."""
    content = safetensors.torch.save(tensors_of(result))
    digest = sha256(content).hexdigest()
    file = f"state-{digest[:16]}.safetensors"
    write_whole(folder / file, content)
    about = asked(result.task, result.guide_spec, result.settings, result.program.kwargs)
    return about | numbers_of(result) | {"state": {"file": file, "sha256": digest}}


def write_record(folder: Path, content: dict) -> None:
    """Writes the record, which makes its states those of the folder, and removes other states."""
    write_whole(folder / RECORD, written(content))
    fits = [content["fit"]] if "fit" in content else content["replicas"]
    named = {fit["state"]["file"] for fit in fits if fit is not None}
    for path in folder.iterdir():
        if STATE.fullmatch(path.name) and path.name not in named:
            path.unlink(missing_ok=True)
    remove_partial(folder)


def has_fit(folder: Path) -> bool:
    """Is there a saved fit, finished or under way?

    Raises:
        ValueError: for tensors of a fit without the record that says what they are.
    """
    if (folder / RECORD).exists():
        return True
    left = [path.name for path in folder.glob("*") if STATE.fullmatch(path.name)]
    if left:
        raise ValueError(
            f"{folder} holds {left[0]} and no {RECORD}: a record was lost. Put it back from a "
            "copy, or name another folder."
        )
    return False


def read(folder: Path) -> tuple[list[tuple[dict, Earlier] | None], bool]:
    """The saved fits of a folder, each with its record, None for one not begun; are they replicas?

    Raises:
        ValueError: if there is no fit, or any file is damaged.
    """
    for left in reversed(range(TRIES)):
        records, several = read_record(folder)
        try:
            return [_with_state(folder, record) for record in records], several
        except FileNotFoundError as error:
            if not left:
                raise damaged(folder / RECORD, f"{Path(error.filename).name} is missing") from None
    raise AssertionError("unreachable")


def _with_state(folder: Path, record: dict | None) -> tuple[dict, Earlier] | None:
    return None if record is None else (record, _earlier(folder, record))


def _earlier(folder: Path, record: dict) -> Earlier:
    file = record["state"]["file"]
    if not STATE.fullmatch(file):
        raise damaged(folder / RECORD, f"'{file}' is no name of a state")
    content = (folder / file).read_bytes()
    if sha256(content).hexdigest() != record["state"]["sha256"]:
        raise damaged(folder / file, f"its checksum is not that in {RECORD}")
    return earlier_from(record, safetensors.torch.load(content))


def load_fit(
    path: str | Path,
    model: Task | Model | None = None,
    *args: object,
    guide: Callable | None = None,
    device: str = "auto",
    model_kwargs: dict[str, object] | None = None,
    objective: Objective | None = None,
    lr_schedule: Schedule | None = None,
    kl_weight: Schedule | None = None,
    replica: int | None = None,
) -> Fit:
    """Loads a saved fit, or the last checkpoint of one that is still training.

    What the zoo does not know by name, the user's own, has to be passed again.

    Args:
        path: the folder it was saved to.
        model: the task or model it was fitted on; None for a model of the zoo.
        *args: arguments of the model, where it is one of the user's own.
        guide: the guide it was fitted with; None for a guide of the zoo.
        device: "auto", "cpu" or "cuda".
        model_kwargs: keyword arguments of the model, where it was fitted with any.
        objective: the objective, where it is one of the user's own.
        lr_schedule: the schedule of the learning rate, where it is one of the user's own.
        kl_weight: the weight of the KL term, where it is a schedule of the user's own.
        replica: which of the replicas, from 0 on, where the folder holds several.

    Raises:
        ValueError: if the folder holds no fit, any of its files is damaged, or the model, guide
            or data is not the one saved.
    """
    folder = place("path", path)
    if guide is not None:
        check_guide(guide)
    device, kwargs = pick_device(device), check_kwargs(model_kwargs)
    record, earlier = _chosen(folder, replica)
    task = _task(record, model, args)
    _check_kwargs(record["model_kwargs"], kwargs)
    settings = _settings(record["settings"], objective, lr_schedule, kl_weight)
    spec = guide or decode_guide(record["guide"])
    with isolated(seed=settings.seed), lent(task.build, spec):
        return as_it_was(prepare(task, spec, settings, device, kwargs), earlier)


def _chosen(folder: Path, replica: int | None) -> tuple[dict, Earlier]:
    fits, several = read(folder)
    if several != (replica is not None):
        count = f"{len(fits)} replicas" if several else "one fit"
        way = f"Pass replica=0 to {len(fits) - 1}." if several else "Leave replica out."
        raise ValueError(f"{folder} holds {count}; got replica={replica}. {way}")
    number = replica or 0
    found = fits[number] if 0 <= number < len(fits) else None
    if found is None and not several:
        raise ValueError(
            f"{folder} holds a fit that was ended before its first checkpoint. Go on with "
            f"zoo.fit(..., checkpoint='{folder}', resume='{folder}')."
        )
    if found is None:
        begun = [i for i, fit in enumerate(fits) if fit is not None]
        raise ValueError(
            f"{folder} holds replicas {begun}; got replica={replica}. Pass one of these."
        )
    return found


def _task(record: dict, model: Task | Model | None, args: tuple) -> Task:
    if model is None and record["model"] not in MODELS:
        raise ValueError(
            f"The fit is of '{record['model']}', which is no model of the zoo. Pass it: "
            "load_fit(path, model, *args)."
        )
    data = dict(record["data"])
    saved = data.pop("hash")
    if model is None:
        parts = {name: decode(part) for name, part in record["parts"].items()}
        task = load(record["model"], data.pop("name"), **data, **parts)
    else:
        task = task_of(model, args)
    if task.data.hash != saved:
        raise ValueError(
            f"The fit was made on data with hash {saved}; these have "
            f"{task.data.hash}. Load the same data, with the same seed and binarization."
        )
    return task


def _check_kwargs(saved: dict, passed: dict[str, object]) -> None:
    if sorted(passed) != saved["names"]:
        raise ValueError(
            f"The model was fitted with keyword arguments {saved['names']}; got "
            f"{sorted(passed)}. Pass the same ones as model_kwargs."
        )
    if fingerprint_of(passed) != saved["hash"]:
        raise ValueError(
            f"The model was fitted with keyword arguments of hash {saved['hash']}; those passed "
            f"have {fingerprint_of(passed)}. Pass the same values as model_kwargs."
        )


def _settings(
    record: dict,
    objective: Objective | None,
    lr_schedule: Schedule | None,
    kl_weight: Schedule | None,
) -> Settings:
    """The settings of a record, with what has to be passed again."""
    record = record | {"update": dict(record["update"])}
    own = None if objective is None else as_objective(objective)
    held = {
        "objective": _again("objective", own, record),
        "kl_weight": _again("kl_weight", kl_weight, record),
    }
    rate = _again("lr_schedule", lr_schedule, record["update"])
    settings = decode(record)
    return replace(settings, **held, update=replace(settings.update, lr_schedule=rate))


def _again(name: str, passed: object, record: dict) -> object:
    """What was passed again, or what the record says; the record is left without it."""
    saved, record[name] = record[name], None
    own = own_name(saved)
    if passed is None and own is not None:
        raise ValueError(
            f"The fit's {name} '{own}' is of your own: pass it again, load_fit(path, {name}=...)."
        )
    if passed is not None and encode(passed) != saved:
        raise ValueError(f"The fit has {name} {saved}; got {encode(passed)}. Pass the same one.")
    return decode(saved) if passed is None else passed
