"""What a fit was asked to do, as JSON: two fits are one and the same if it is."""

from collections.abc import Callable, Iterator

from zoo.data.fingerprint import fingerprint_of
from zoo.results.encoding import encode, encode_guide
from zoo.results.result import Settings
from zoo.task import Task

# What may differ between a fit and the one it goes on from. "compile" changes the order in which
# noise is drawn and not what is computed; Pyro works "max_plate_nesting" out as it runs.
FREE = ("steps", "compile", "max_plate_nesting")


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
    """Refuses to go on from a fit with what it was not made with.

    Args:
        saved: what the earlier fit was asked; other keys do not count.
        now: what this one is asked.
        where: the earlier fit, for the error.

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
    """Where two records differ, innermost first, by a name that a user knows."""
    if isinstance(saved, dict) and isinstance(now, dict) and saved.keys() == now.keys():
        for key in saved:
            if key not in FREE:
                yield from _differences(_joined(name, key), saved[key], now[key])
    elif saved != now:
        yield name, saved, now


def _joined(name: str, key: str) -> str:
    plain = name in ("settings", "update")
    return key if plain else f"{name}.{key}"
