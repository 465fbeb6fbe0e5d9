"""Which guide goes with which model and objective, decided by what they declare alone."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from inspect import isabstract

from zoo.checks.arguments import instance
from zoo.latents import Family, Latents
from zoo.objectives import Objective
from zoo.pairing.guide_input import check_guide
from zoo.pairing.guide_rules import FOR_FAMILIES
from zoo.pairing.model_rules import FOR_ANY

NAMES_SHOWN = 8


class PairingError(ValueError):
    """A model, a guide and an objective that do not go together.

    Attributes:
        sentence: why they do not, with a way out.
        families: the guide families that go with the model and the objective.
    """

    def __init__(self, sentence: str, families: Sequence[type[Family]] = ()) -> None:
        super().__init__(" ".join((sentence, *listed([one.__name__ for one in families]))))
        self.sentence, self.families = sentence, tuple(families)

    def __reduce__(self) -> tuple:
        return PairingError, (self.sentence, self.families)


def mismatch(latents: Latents, guide: Callable, objective: Objective) -> str | None:
    """Why the three do not go together, in a sentence with a way out; None if they do.

    Args:
        latents: from :func:`zoo.describe`.
        guide: a guide class of the zoo, a partial of one, or an instance. Of other guides nothing
            is declared, so what depends on that is not refused here.
        objective: what is to be minimised.
    """
    check_guide(guide)
    instance("latents", latents, Latents, "Pass zoo.describe(model, *args).")
    instance("objective", objective, Objective, "Pass e.g. zoo.objectives.Trace().")
    return next((found for found in _findings(latents, guide, objective) if found), None)


def _findings(latents: Latents, guide: Callable, objective: Objective) -> Iterator[str | None]:
    family = family_of(guide)
    if family is not None:
        yield from (rule(latents, family, objective) for rule in FOR_FAMILIES)
    yield from (rule(latents, objective) for rule in FOR_ANY)


def check(latents: Latents, guide: Callable, objective: Objective) -> None:
    """Raises what :func:`mismatch` finds.

    Raises:
        PairingError: with the sentence, and the names of guides that fit.
    """
    sentence = mismatch(latents, guide, objective)
    if sentence:
        raise PairingError(sentence, fitting(latents, objective))


def fitting(latents: Latents, objective: Objective) -> list[type[Family]]:
    """The guide families in memory that go with a model and an objective, by name."""
    found = [one for one in _families(Family) if mismatch(latents, one, objective) is None]
    return sorted(found, key=lambda family: family.__name__)


def _families(family: type[Family]) -> Iterator[type[Family]]:
    """All concrete families that descend from one and are not composed."""
    for one in family.__subclasses__():
        yield from _families(one)
        if not isabstract(one) and one.parts is None:
            yield one


def listed(names: Sequence[str]) -> list[str]:
    """A sentence that names guides which fit; none where there are no names."""
    if not names:
        return []
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"Guides that fit: {', '.join(names[:NAMES_SHOWN])}{more}."]


def family_of(guide: Callable) -> type[Family] | None:
    """The class that declares what a guide is; None for guides that declare nothing."""
    if isinstance(guide, partial):
        return family_of(guide.func)
    family = guide if isinstance(guide, type) else type(guide)
    return family if issubclass(family, Family) else None
