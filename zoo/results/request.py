"""What a fit is asked to do, as JSON, to tell whether another fit may resume it."""

from collections.abc import Callable, Iterator

from zoo.data.fingerprint import fingerprint_of
from zoo.results.encoding import encode, encode_guide
from zoo.results.result import Settings
from zoo.task import Task

# What may differ between a fit and the one that it resumes. "compile" changes only the order in
# which noise is drawn, "average" only what is kept at the end, and Pyro sets "max_plate_nesting"
# by itself when it runs.
FREE = ("steps", "compile", "average", "max_plate_nesting")


def asked(task: Task, guide: Callable, settings: Settings, kwargs: dict[str, object]) -> dict:
    """Model, data, guide and settings of a fit, for its record."""
    data = task.data
    names = {"name": data.name, "seed": data.seed, "binarize": data.binarize, "hash": data.hash}
    return {
        "model": task.name,
        "parts": {name: encode(part) for name, part in task.parts.given.items()},
        "data": names,
        "guide": encode_guide(guide),
        "settings": encode(settings),
        "model_kwargs": {"names": sorted(kwargs), "hash": fingerprint_of(kwargs)},
    }


def refuse_other(saved: dict, now: dict, where: str) -> None:
    """Refuses to resume a fit with other settings than its own.

    Args:
        saved: what the earlier fit was asked; only the keys of `now` are compared.
        now: what this fit is asked.
        where: names the earlier fit in the error.

    Raises:
        ValueError: naming each difference, with both values.
    """
    differing = [each for key in now for each in _differences(key, saved[key], now[key])]
    if differing:
        lines = "; ".join(f"{name}: saved {a!r}, now {b!r}" for name, a, b in differing)
        raise ValueError(
            f"{where} was made with other settings than those asked for: {lines}. "
            "Ask for the saved ones, or start another fit without resume."
        )


def _differences(name: str, saved: object, now: object) -> Iterator[tuple[str, object, object]]:
    """The innermost parts in which two records differ: name, saved value, value now."""
    if isinstance(saved, dict) and isinstance(now, dict) and saved.keys() == now.keys():
        for key in saved:
            if key not in FREE:
                yield from _differences(_joined(name, key), saved[key], now[key])
    elif saved != now:
        yield name, saved, now


def _joined(name: str, key: str) -> str:
    """The name of a part as a user knows it: settings are arguments of `zoo.fit`."""
    plain = name in ("settings", "update")
    return key if plain else f"{name}.{key}"
