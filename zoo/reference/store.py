"""References on disk: a compressed npz file for each, with a JSON header."""

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import torch

from zoo.reference.record import Reference
from zoo.reference.tails import tail_shapes
from zoo.task import Task

HERE = Path(__file__).parent
TENSORS = (
    "draws",
    "mean",
    "sd",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "mcse_mean",
    "mcse_sd",
    "k_mean",
    "k_sd",
)
WORDS = ("model", "data", "hash", "seed", "divergences", "settings", "provenance")
HEADER = "header"


def reference(task: Task, folder: Path = HERE) -> Reference | None:
    """The stored reference for a task's model and data; None if there is none.

    Args:
        task: e.g. ``zoo.load("logistic_regression")``.
        folder: where to look; the zoo's own references by default.
    """
    path = folder / file_name(task.name, task.data.hash)
    return load(path) if path.exists() else None


def file_name(model: str, hash: str) -> str:
    """File name for a model and the fingerprint of its data."""
    return f"{model}-{hash}.npz"


def save(found: Reference, path: Path) -> Path:
    """Writes a reference, with draws in single precision; never leaves an incomplete file.

    Args:
        found: the reference.
        path: of the file; its folder is made if there is none.
    """
    fields = vars(found)
    arrays: dict[str, Any] = {
        f"{name}/{site}": value.numpy().astype(np.float32 if name == "draws" else np.float64)
        for name in TENSORS
        for site, value in fields[name].items()
    }
    header = np.array(json.dumps({name: fields[name] for name in WORDS}))
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez_compressed(file, **(arrays | {HEADER: header}))
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def load(path: Path) -> Reference:
    """Reads a reference; k-hats that an older file lacks are computed from its draws.

    Raises:
        ValueError: if the file is not a reference.
    """
    with np.load(path, allow_pickle=False) as held:
        if HEADER not in held:
            raise ValueError(
                f"Expected a reference with a header in {path}; got {sorted(held)}. "
                "Make it with `zoo reference`."
            )
        words = json.loads(str(held[HEADER]))
        fields: dict[str, dict[str, torch.Tensor]] = {name: {} for name in TENSORS}
        for key in held:
            name, _, site = key.partition("/")
            if name in fields:
                fields[name][site] = torch.from_numpy(held[key]).double()
    if not fields["k_sd"]:
        fields |= tail_shapes(fields["draws"], fields["ess_tail"])
    return Reference(**(words | fields))
