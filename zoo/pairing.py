"""Which guide goes with which model and objective, decided by what they declare alone."""

from collections.abc import Callable, Iterator
from functools import partial

from zoo.latents import Family, Latents
from zoo.objectives import Objective
from zoo.rules import FOR_ANY, FOR_FAMILIES


class PairingError(ValueError):
    """A model, a guide and an objective that do not go together."""


def mismatch(latents: Latents, guide: Callable, objective: Objective) -> str | None:
    """Why the three do not go together, in a sentence with a way out; None if they do.

    Args:
        latents: from :func:`zoo.describe`.
        guide: a guide class of the zoo, a partial of one, or an instance. Of other guides nothing
            is declared, so what depends on that is not refused here.
        objective: what is to be minimised.
    """
    return next((found for found in _findings(latents, guide, objective) if found), None)


def _findings(latents: Latents, guide: Callable, objective: Objective) -> Iterator[str | None]:
    family = family_of(guide)
    if family is not None:
        yield from (rule(latents, family, objective) for rule in FOR_FAMILIES)
    yield from (rule(latents, objective) for rule in FOR_ANY)


def check(latents: Latents, guide: Callable, objective: Objective) -> None:
    """Raises what :func:`mismatch` finds.

    Raises:
        PairingError: with the sentence.
    """
    sentence = mismatch(latents, guide, objective)
    if sentence:
        raise PairingError(sentence)


def family_of(guide: Callable) -> type[Family] | None:
    """The class that declares what a guide is; None for guides that declare nothing."""
    if isinstance(guide, partial):
        return family_of(guide.func)
    family = guide if isinstance(guide, type) else type(guide)
    return family if issubclass(family, Family) else None
