"""Which metrics to compute: names of metrics or groups, iwae_K, or estimators with settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.checks.arguments import MANY, refusal, several, whole
from zoo.errors import unknown_metric
from zoo.evaluation.groups import PARTS, Part
from zoo.evidence import ESTIMATORS
from zoo.evidence.estimator import Evidence
from zoo.evidence.streamed_bound import StreamedBound

SLOW = "slow: ask for it by name, or for metrics='all'"
GROUPS = tuple(dict.fromkeys(part.group for part in PARTS))
NAMES = tuple(name for part in PARTS for name in part.names)


@dataclass(frozen=True)
class Asked:
    """The metrics to compute.

    Attributes:
        names: of all metrics, in the order asked for; NAME stands for every NAME/SITE too.
        estimators: those that make their own draws.
        left: groups and estimators left out because they are slow -> how to ask for them.
    """

    names: tuple[str, ...]
    estimators: tuple[Evidence, ...]
    left: dict[str, str]

    def of(self, part: Part) -> list[str]:
        """The names to compute that belong to the part."""
        return [name for name in self.names if name.split("/")[0] in part.names]


def asked_for(metrics: Sequence[str | Evidence] | str | None) -> Asked:
    """The metrics of these names.

    Args:
        metrics: names of metrics or groups, or estimators with other settings; "all"; or None for
            all metrics that are quick.

    Raises:
        ValueError: for a name that does not exist, or two estimators of one name.
    """
    if metrics is None:
        slow = dict.fromkeys(part.group for part in PARTS if not part.quick)
        names = tuple(name for part in PARTS if part.quick for name in part.names)
        return Asked(names, (), dict.fromkeys((*slow, *ESTIMATORS), SLOW))
    if isinstance(metrics, str):
        metrics = (*NAMES, *ESTIMATORS) if metrics == "all" else (metrics,)
    wanted = several("metrics", metrics, "Pass e.g. metrics=['elbo'], or 'all'.")
    found = [each for metric in wanted for each in _look_up(metric)]
    estimators = tuple(one for one in found if isinstance(one, Evidence))
    all_names = [n for one in found for n in ([one] if isinstance(one, str) else one.names)]
    twice = [name for one in estimators for name in one.names if all_names.count(name) > 1]
    if twice:
        raise ValueError(f"Two metrics named '{twice[0]}'. Evaluate twice, one in each.")
    return Asked(tuple(dict.fromkeys(all_names)), estimators, {})


def _look_up(metric: str | Evidence) -> list[str | Evidence]:
    if isinstance(metric, Evidence):
        return [metric]
    if not isinstance(metric, str):
        way = "Pass e.g. metrics=['elbo', 'iwae_10']."
        raise refusal("each of metrics", "a name or an estimator with its settings", metric, way)
    if metric in GROUPS:
        return [name for part in PARTS if part.group == metric for name in part.names]
    if metric.split("/")[0] in NAMES:
        return [metric]
    if metric in ESTIMATORS:
        return [ESTIMATORS[metric]]
    if match := re.fullmatch(r"iwae_([1-9]\d*)", metric):
        return [StreamedBound(_particles(metric, match[1]))]
    raise unknown_metric(metric, (*NAMES, *ESTIMATORS), GROUPS)


def _particles(metric: str, digits: str) -> int:
    """K of iwae_K; of very long numbers only the first digits are read, which are too large."""
    return whole(f"K of {metric[:20]}", int(digits[:20]), most=MANY)
