"""The format of `fit.json`, and the check that a file has this format and is not damaged.

    {"format": 4, "fit": FIT or null, "sha256": ...}               one fit
    {"format": 4, "replicas": [FIT or null, ...], "sha256": ...}   seeds side by side

Null stands for a fit that ended before its first checkpoint. Each FIT names the file of its
tensors and the SHA-256 of that file; the last entry is the SHA-256 of the rest. A file is refused
unless writing its contents again gives the same bytes.
"""

import json
import math
from hashlib import sha256
from pathlib import Path
from typing import Any

FORMAT = 4
RECORD = "fit.json"

Schema = dict[str, "type | tuple[type, ...] | Schema"]

NUMBER = (int, float)
NONE = type(None)
FIT: Schema = {
    "model": str,
    "parts": dict,
    "data": {"name": str, "seed": int, "binarize": str, "hash": str},
    "guide": dict,
    "settings": dict,
    "model_kwargs": {"names": list, "hash": str},
    "steps_taken": int,
    "statements": list,
    "optimizer_groups": list,
    "stride": (int, NONE),
    "stage": (dict, NONE),
    "tail": (list, NONE),
    "valid": list,
    "seconds": NUMBER,
    "stopped": str,
    "convergence": (dict, NONE),
    "notes": list,
    "difficulties": list,
    "other_evaluations": int,
    "backend": str,
    "densities": dict,
    "state": {"file": str, "sha256": str},
}


def written(content: dict) -> str:
    """A record as the text of `fit.json`: strict JSON with a checksum at its end."""
    body = {"format": FORMAT, **{name: _strict(part) for name, part in content.items()}}
    return with_checksum(body)


def read_record(folder: Path) -> tuple[list[dict | None], bool]:
    """The fits in a folder's record, and whether they are replicas.

    A fit that ended before its first checkpoint is None.

    Raises:
        ValueError: if there is no record, it is of another format, or it is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        raise ValueError(
            f"No fit in {folder}: there is no {RECORD}. Pass a folder that zoo.save or "
            "zoo.fit(checkpoint=...) wrote."
        )
    try:
        text = path.read_bytes().decode()
        record = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise damaged(path, f"it is not JSON ({error})") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"Expected a fit of format {FORMAT}; {path} has {found!r}. Load it with the version "
            "of the zoo that wrote it, or fit again."
        )
    body = {name: value for name, value in record.items() if name != "sha256"}
    if with_checksum(body) != text:
        raise damaged(path, "its checksum is not that of its contents")
    several = isinstance(body.get("replicas"), list)
    fits = [_loose(fit) for fit in (body["replicas"] if several else [body.get("fit")])]
    for fit in fits:
        if fit is not None:
            _check(fit, FIT, str(path), "")
    return fits, several


def damaged(path: Path, how: str) -> ValueError:
    """The error for a damaged file, which the caller raises; `how` says what is wrong with it."""
    return ValueError(
        f"{path} is damaged or was changed by hand: {how}. Take it from a copy, or fit again."
    )


def _check(value: object, schema: Schema, path: str, where: str) -> None:
    """Refuses a record that lacks a key, has an unknown one, or a value of another type.

    Raises:
        ValueError: naming the key.
    """
    if not isinstance(value, dict):
        raise ValueError(f"Expected an object at '{where or 'fit'}' of {path}; got {value!r}.")
    for name in sorted(schema.keys() ^ value.keys()):
        what = "lacks" if name in schema else "has the unknown"
        raise ValueError(
            f"{path} {what} key '{where}{name}'. Load it with the version that wrote it."
        )
    for name, kind in schema.items():
        if isinstance(kind, dict):
            _check(value[name], kind, path, f"{where}{name}.")
        elif not isinstance(value[name], kind) or isinstance(value[name], bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            expected = " or ".join("null" if k is NONE else k.__name__ for k in kinds)
            raise ValueError(
                f"Expected '{where}{name}' of {path} to be {expected}; got {value[name]!r}."
            )


def with_checksum(body: dict) -> str:
    """A record as text, with the SHA-256 of its other entries as the last one."""
    digest = sha256(json.dumps(body).encode()).hexdigest()
    return json.dumps(body | {"sha256": digest}, indent=2)


def _strict(value: object) -> object:
    """The value with infinities and NaN as {"number": "inf"}, since JSON has no such numbers."""
    if isinstance(value, dict):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _loose(value: object) -> Any:
    """The value that :func:`_strict` wrote."""
    if isinstance(value, dict):
        if value.keys() == {"number"}:
            return float(value["number"])
        return {name: _loose(part) for name, part in value.items()}
    return [_loose(part) for part in value] if isinstance(value, list) else value
