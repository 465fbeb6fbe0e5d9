"""Shapes in words, such as "(T - 1, S)": bound to the arguments of a call, held to its results."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Sizes = dict[str, int]


class WrongResult(ValueError):
    """A result that is not of the type or the shape that was asked for."""


def is_shape(words: str) -> bool:
    """Is it a shape, and not a type such as int?"""
    return words.startswith("(") and "..." not in words


def _dimensions(words: str) -> list[str]:
    return [part.strip() for part in words.strip("()").split(",") if part.strip()]


def sizes_of(arguments: Mapping[str, str], values: Mapping[str, Any]) -> Sizes:
    """The sizes of the letters in the shapes of the arguments; whole numbers by their names."""
    sizes = Sizes()
    for name, words in arguments.items():
        value = values.get(name)
        if isinstance(value, int):
            sizes[name] = value
        elif isinstance(value, Tensor) and is_shape(words):
            dimensions = _dimensions(words)
            if len(dimensions) == value.dim():
                pairs = zip(dimensions, value.shape, strict=True)
                sizes |= {letter: size for letter, size in pairs if letter.isidentifier()}
    return sizes


def shape_of(words: str, sizes: Sizes) -> tuple[int, ...] | None:
    """The shape in numbers; None where a letter is not known."""
    try:
        return tuple(
            _number(ast.parse(one, mode="eval").body, sizes) for one in _dimensions(words)
        )
    except KeyError:
        return None


OPERATIONS: dict[type, Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Pow: lambda a, b: a**b,
    ast.FloorDiv: lambda a, b: a // b,
}


def _number(node: ast.expr, sizes: Sizes) -> int:
    if isinstance(node, ast.Constant):
        return int(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return sizes[node.id]
    assert isinstance(node, ast.BinOp)
    return OPERATIONS[type(node.op)](_number(node.left, sizes), _number(node.right, sizes))


def named_results(returns: Mapping[str, str], value: Any) -> dict[str, Any]:
    """The results by name, from a tuple in the order of `returns`, a dict, or the only one.

    Raises:
        WrongResult: for another number of results, or other names.
    """
    names = list(returns)
    if isinstance(value, dict):
        if set(value) != set(names):
            raise WrongResult(f"Expected the results {names}; got a dict with {sorted(value)}.")
        return {name: value[name] for name in names}
    if len(names) == 1 and not isinstance(value, (tuple, list)):
        return {names[0]: value}
    if not isinstance(value, (tuple, list)):
        raise WrongResult(f"Expected {len(names)} results, {names}; got {type(value).__name__}.")
    if len(value) != len(names):
        raise WrongResult(f"Expected {len(names)} results, {names}; got {len(value)}.")
    return dict(zip(names, value, strict=True))


def as_tensor(name: str, value: Any) -> Tensor:
    """A result as a tensor; numbers and arrays of numpy are taken as well.

    Raises:
        WrongResult: for anything else.
    """
    import numpy as np

    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, float, np.ndarray, np.number)):
        return torch.as_tensor(value)
    raise WrongResult(f"Expected {name} to be a tensor; got {type(value).__name__}.")


def checked_results(returns: Mapping[str, str], sizes: Sizes, value: Any) -> dict[str, Any]:
    """The results by name, each a tensor of the shape asked for where `returns` says a shape.

    Raises:
        WrongResult: naming the result, the shape expected and the one that it has.
    """
    results = named_results(returns, value)
    for name, words in returns.items():
        if not is_shape(words):
            continue
        results[name] = tensor = as_tensor(name, results[name])
        wanted = shape_of(words, sizes)
        if wanted is not None and tuple(tensor.shape) != wanted:
            raise WrongResult(
                f"Expected {name} of shape {words}, here {wanted}; got {tuple(tensor.shape)}."
            )
    return results
