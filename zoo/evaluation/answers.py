"""An answer of the verdict: yes, no, or cannot tell, with its reason and what to try next.

A question about draws does not apply to a model without latents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.metrics import Metric

YES, NO, UNSURE, INAPPLICABLE = "yes", "no", "cannot tell", "does not apply"
NOTHING_LATENT = "nothing is latent, so that log p(x) is exact and no draws are weighed"
NOTHING_DRAWN = "nothing is latent, so that no draws are weighed"
NO_DRAWS = (
    "the model has an energy: its log p is known up to log Z, and no exact draws of it can be made"
)
SURE = 3.0  # standard errors beyond which a value counts as wrong
METRIC_OF = {  # group or metric to ask for -> a metric that shows that it was computed
    "weights": "k_hat",
    "exact": "gap",
    "posterior": "posterior_mean_error",
    "psis": "psis_mean_shift",
    "from_prior": "smc_mean_shift",
    "ais": "ais",
    "smc": "smc",
}

Found = Mapping[str, Metric]
Skipped = Mapping[str, str]  # metric -> why it could not be computed


@dataclass(frozen=True)
class Answer:
    """The answer to one question of the verdict.

    Attributes:
        answer: "yes", "no", "cannot tell" or "does not apply".
        reason: the numbers behind it, in one line.
        ask: what may decide the question: an argument of :func:`zoo.evaluate` or :func:`zoo.fit`,
            or another step; never a metric that could not be computed; "" if nothing would.
    """

    answer: str
    reason: str
    ask: str = ""

    def __str__(self) -> str:
        verb = "add" if self.ask.startswith("metrics=") else "try"
        more = f"; {verb} {self.ask}" if self.ask else ""
        return f"{self.answer}: {self.reason}{more}"


def untried(names: Sequence[str], found: Found, skipped: Skipped) -> str:
    """The argument that asks for those not yet computed or skipped; "" if there are none."""
    tried = {*found, *skipped}
    left = [name for name in names if METRIC_OF[name] not in tried]
    return f"metrics={left}" if left else ""


def shown(metric: Metric) -> str:
    """The value to three digits and its error to one, for a reason."""
    return f"{metric.value:.3g} +- {metric.se:.1g}"
