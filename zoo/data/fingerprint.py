"""Fingerprints of arguments, which take in every tensor and number, nested ones too."""

import hashlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass

import numpy as np
import torch
from torch import Tensor, nn


def fingerprint_of(value: object) -> str:
    """Short hash of a value: its tensors bit by bit, in dicts, lists and dataclasses.

    Any other object, such as a module or a function, counts by its type alone.

    Args:
        value: arguments, positional or by keyword.

    Returns:
        The first 16 hex digits of a SHA-256 digest.
    """
    digest = hashlib.sha256()
    for path, leaf in _leaves("", value, ()):
        digest.update(f"{path}\0{_kind(leaf)}\0".encode())
        digest.update(_content(leaf))
    return digest.hexdigest()[:16]


def _leaves(path: str, value: object, above: tuple[int, ...]) -> Iterator[tuple[str, object]]:
    """Every part and its path, depth first; an object that contains itself is entered once."""
    parts = None if id(value) in above else _parts(value)
    if parts is None:
        yield path, value
        return
    yield path, type(value)
    for name, part in parts.items():
        yield from _leaves(f"{path}/{name}", part, (*above, id(value)))


def _parts(value: object) -> dict[str, object] | None:
    """The parts of a value by name; None for a leaf."""
    if isinstance(value, (Tensor, np.ndarray, nn.Module, type)) or callable(value):
        return None
    if isinstance(value, Mapping):
        return {repr(key): value[key] for key in sorted(value, key=repr)}
    if isinstance(value, Set):
        return {str(i): part for i, part in enumerate(sorted(value, key=repr))}
    if isinstance(value, (list, tuple)):
        return {str(i): part for i, part in enumerate(value)}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def _kind(leaf: object) -> str:
    if isinstance(leaf, Tensor):
        return f"{leaf.dtype} {tuple(leaf.shape)}"
    if isinstance(leaf, np.ndarray):
        return f"{leaf.dtype} {leaf.shape}"
    return (leaf if isinstance(leaf, type) else type(leaf)).__qualname__


def _content(leaf: object) -> bytes:
    if isinstance(leaf, Tensor):
        return _bytes_of(leaf.detach())
    if isinstance(leaf, np.ndarray):
        return leaf.tobytes() if leaf.dtype != object else repr(leaf.tolist()).encode()
    if leaf is None or isinstance(leaf, (bool, int, float, complex, str, bytes, np.generic)):
        return repr(leaf).encode()
    return b""


def _bytes_of(value: Tensor) -> bytes:
    value = value.to_dense() if value.layout is not torch.strided else value
    return value.cpu().resolve_conj().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
