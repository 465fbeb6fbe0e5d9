"""Which figures are asked for: names of figures or groups, iwae_K, or estimators with settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from zoo.checks.arguments import MANY, refusal, several, whole
from zoo.evaluation.groups import PARTS, Part
from zoo.evidence import ESTIMATORS
from zoo.evidence.estimator import Evidence
from zoo.evidence.streamed_bound import StreamedBound

SLOW = "slow: ask for it by name, or for figures='all'"
GROUPS = tuple(dict.fromkeys(part.group for part in PARTS))
NAMES = tuple(name for part in PARTS for name in part.names)


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        names: of all figures, in the order asked for; NAME stands for every NAME/SITE too.
        estimators: those that draw for themselves.
        left: groups and estimators that were left out since they are slow -> how to get them.
    """

    names: tuple[str, ...]
    estimators: tuple[Evidence, ...]
    left: dict[str, str]

    def of(self, part: Part) -> list[str]:
        """The names among those of the part."""
        return [name for name in self.names if name.split("/")[0] in part.names]


def asked_for(figures: Sequence[str | Evidence] | str | None) -> Asked:
    """Looks the figures up.

    Args:
        figures: names of figures or groups, or estimators with settings of their own; "all"; or
            None for all that is quick.

    Raises:
        ValueError: for a name that does not exist, or two estimators of one name.
    """
    if figures is None:
        slow = dict.fromkeys(part.group for part in PARTS if not part.quick)
        names = tuple(name for part in PARTS if part.quick for name in part.names)
        return Asked(names, (), dict.fromkeys((*slow, *ESTIMATORS), SLOW))
    if isinstance(figures, str):
        figures = (*NAMES, *ESTIMATORS) if figures == "all" else (figures,)
    wanted = several("figures", figures, "Pass e.g. figures=['elbo'], or 'all'.")
    found = [each for figure in wanted for each in _look_up(figure)]
    estimators = tuple(one for one in found if isinstance(one, Evidence))
    all_names = [n for one in found for n in ([one] if isinstance(one, str) else one.names)]
    twice = [name for one in estimators for name in one.names if all_names.count(name) > 1]
    if twice:
        raise ValueError(f"Two figures named '{twice[0]}'. Evaluate twice, one in each.")
    return Asked(tuple(dict.fromkeys(all_names)), estimators, {})


def _look_up(figure: str | Evidence) -> list[str | Evidence]:
    if isinstance(figure, Evidence):
        return [figure]
    if not isinstance(figure, str):
        way = "Pass e.g. figures=['elbo', 'iwae_10']."
        raise refusal("each of figures", "a name or an estimator with its settings", figure, way)
    if figure in GROUPS:
        return [name for part in PARTS if part.group == figure for name in part.names]
    if figure.split("/")[0] in NAMES:
        return [figure]
    if figure in ESTIMATORS:
        return [ESTIMATORS[figure]]
    if match := re.fullmatch(r"iwae_([1-9]\d*)", figure):
        return [StreamedBound(_particles(figure, match[1]))]
    known = (*NAMES, *GROUPS, *ESTIMATORS)
    near = get_close_matches(figure, known, n=1)
    meant = f"Did you mean '{near[0]}'? " if near else ""
    raise ValueError(
        f"No figure named '{figure}'. {meant}There are the groups {', '.join(GROUPS)}; the "
        f"figures {', '.join((*NAMES, *ESTIMATORS))}; and iwae_K for any K."
    )


def _particles(figure: str, digits: str) -> int:
    """K of iwae_K; digits beyond those of the largest are not read."""
    return whole(f"K of {figure[:20]}", int(digits[:20]), most=MANY)
