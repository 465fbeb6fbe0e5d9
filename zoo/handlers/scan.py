"""A recursion over time: one function applied T times, which stays one loop when it is compiled.

    carry_{t+1}, y_t = f(carry_t, x_t),     t = 0 .. T - 1.

In a plain step it is a Python loop with torch's ordinary gradients. Where a step is captured, a
``for`` loop is copied T times into the program, and the time that the compiler takes grows with T;
a scan stays one loop, of which the compiler sees f alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor

from zoo.checks.arguments import refusal
from zoo.torch_private import tree_flatten, tree_unflatten

Recursion = Callable[[Any, Any], tuple[Any, Any]]
Tensors = list[Tensor]
Step = Callable[..., Tensors]  # of the leaves of a carry, then those of one x; as `Flat.step`


class Flat(NamedTuple):
    """A scan whose nested tuples are taken apart.

    Attributes:
        step: takes the leaves of the carry and of one x, returns those of the next carry and y.
        init: leaves of the first carry.
        xs: leaves of xs, each of shape (T, ...).
    """

    step: Step
    init: Tensors
    xs: Tensors


Runner = Callable[[Flat], tuple[Tensors, Tensors]]  # last carry, and ys of shape (T, ...) each


def scan(f: Recursion, init: Any, xs: Any) -> tuple[Any, Any]:
    """Applies f over and over: to the carry that it returned last, and to the next x.

    Use it in the place of a ``for`` loop over time in a model or a guide. f is a function of
    tensors without side effects: what is random is drawn before, all times at once, and comes in
    as xs. f may read other tensors and call networks; gradients reach those too. Losses and
    gradients are those of the loop up to rounding. Whatever one time hands to the next belongs in
    the carry. A captured step traces f once: a counter outside of the carry would stay what it
    was at the first time, and gradients pass a `detach` in f. Captured steps are therefore
    compared with plain ones, and refused where they differ; write a ``for`` loop then.

    Args:
        f: maps a carry and one x to the next carry and a y; y may be None.
        init: the first carry: a tensor, or nested tuples, lists or dicts of tensors. Each keeps
            its shape and dtype.
        xs: what f reads at each time: a tensor of shape (T, ...), or nested ones, T >= 1.

    Returns:
        The last carry, and all y, stacked to tensors of shape (T, ...).

    Raises:
        ValueError: xs have different lengths or none, f changes the shape or dtype of the carry or
            returns something else than tensors, or a site is sampled in f.

    Example:
        A random walk with a pull towards 0, from noise of all times:

        >>> import torch, zoo
        >>> noise, pull = torch.ones(3), torch.tensor(0.5)
        >>> def step(level, e):
        ...     level = pull * level + e
        ...     return level, level
        >>> last, levels = zoo.scan(step, torch.zeros(()), noise)
        >>> levels
        tensor([1.0000, 1.5000, 1.7500])
    """
    if not callable(f):
        raise refusal("f", "a function of a carry and an x", f, "Pass (carry, x) -> (carry, y).")
    leaves, carried = tree_flatten(init)
    columns, given = tree_flatten(xs)
    _check("init", leaves, "Give f a carry to begin with, for example torch.zeros(()).")
    _check("xs", columns, "f needs an x at each time, for example torch.arange(T).")
    _check_lengths(columns)
    stacked: list[Any] = []  # leaves and structure of a y, which the steps show

    def step(*tensors: Tensor) -> Tensors:
        before, x = tensors[: len(leaves)], tensors[len(leaves) :]
        found = f(tree_unflatten(list(before), carried), tree_unflatten(list(x), given))
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(
                f"Expected f to return two things, the next carry and a y; got {_kind(found)}. "
                "Return (carry, y), and None for y where there is none."
            )
        after, structure = tree_flatten(found[0])
        _check_carry(before, after, same=structure == carried)
        outcome, out = tree_flatten(found[1])
        _check_outcome(outcome)
        stacked[:] = outcome, out
        return [*after, *(leaf for leaf in outcome if leaf is not None)]

    with NoSites():
        last, ys = _RUNNER.get()(Flat(step, leaves, columns))
    outcome, out = stacked
    left = iter(ys)
    filled = [None if leaf is None else next(left) for leaf in outcome]
    return tree_unflatten(last, carried), tree_unflatten(filled, out)


def python_loop(flat: Flat) -> tuple[Tensors, Tensors]:
    """Runs a scan as a Python loop."""
    carry, rows = flat.init, []
    for x in zip(*(column.unbind(0) for column in flat.xs), strict=True):
        before = _versions(carry)
        found = flat.step(*carry, *x)
        if before != _versions(carry):
            raise ValueError(
                "Expected the function of a scan to leave its carry as it is; it changes it in "
                "place. Return a new carry: carry + x in the place of carry += x."
            )
        carry = found[: len(flat.init)]
        rows.append(found[len(flat.init) :])
    return carry, [torch.stack(column) for column in zip(*rows, strict=True)]


def _versions(carry: Tensors) -> list[int]:
    """How often each tensor was changed in place; inference mode does not count."""
    return [0 if value.is_inference() else value._version for value in carry]


_RUNNER: ContextVar[Runner] = ContextVar("what runs a scan", default=python_loop)


@contextmanager
def scans_run_by(runner: Runner) -> Iterator[None]:
    """Inside, scans are run by `runner`."""
    token = _RUNNER.set(runner)
    try:
        yield
    finally:
        _RUNNER.reset(token)


class NoSites(Messenger):
    """Refuses Pyro's statements: a site has one name, and f is called T times."""

    def _pyro_sample(self, msg: Message) -> None:
        if (msg["infer"] or {}).get("_deterministic"):
            way = "Return its value as y, and call pyro.deterministic after the scan."
        elif type(msg["fn"]).__name__ == "_Subsample":
            way = "Open the plate around the scan."
        else:
            way = "Sample all times as one site before the scan, and pass its value as xs."
        raise ValueError(
            f"Site '{msg['name']}' is in the function of a scan, which is called once for each "
            f"time. {way}"
        )


def _check(name: str, leaves: list[Any], way: str) -> None:
    if not leaves:
        raise ValueError(f"Expected {name} to have a tensor; got none. {way}")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"Expected {name} to be of tensors; got {_kind(leaf)}. Use torch.as_tensor."
            )


def _check_lengths(columns: Tensors) -> None:
    lengths = [len(column) if column.dim() else None for column in columns]
    if None in lengths or len(set(lengths)) > 1 or not lengths[0]:
        shapes = ", ".join(str(tuple(column.shape)) for column in columns)
        raise ValueError(
            f"Expected xs of one length T >= 1 in their first dimension; got shapes {shapes}. "
            "Put the times first, as in x.movedim(-1, 0)."
        )


def _check_carry(before: tuple[Tensor, ...], after: list[Any], *, same: bool) -> None:
    if not same or not all(isinstance(leaf, Tensor) for leaf in after):
        raise ValueError(
            f"Expected the next carry to be nested as init, with {len(before)} tensors; got "
            f"{', '.join(map(_kind, after)) or 'nothing'}. Return a carry like the one f is "
            "given, with the same tuples, lists and keys in the same order."
        )
    for old, new in zip(before, after, strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            way = "Expand init to the shape that f returns, or sum over what f adds."
            if old.shape == new.shape:
                way = f"Pass init as {_dtype(new)}, or return {_dtype(old)}."
            raise ValueError(
                f"Expected the carry to stay {_kind(old)}; got {_kind(new)} from f. {way}"
            )


def _check_outcome(outcome: list[Any]) -> None:
    for leaf in outcome:
        if leaf is not None and not isinstance(leaf, Tensor):
            raise ValueError(
                f"Expected y to be of tensors; got {_kind(leaf)} from f. Return None for y where "
                "there is none."
            )


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{_dtype(value)} of shape {tuple(value.shape)}"
    return type(value).__name__


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
