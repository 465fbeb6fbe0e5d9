"""Whether the best normal is found directly, by DADVI, and what rules that out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo.checks.arguments import refusal
from zoo.normals.placement import is_normal
from zoo.objectives import Objective
from zoo.objectives.target import Elbo
from zoo.objectives.trace import Trace
from zoo.training.unknowns import Unknowns

if TYPE_CHECKING:
    from zoo.training.settings import Request

DADVI = "dadvi"
MOST_LEARNT = 50  # numbers in parameters of the model, for DADVI
MOST_BESIDE = 200  # numbers in the latents of a model that has parameters of its own


def is_direct(
    asked: "Request", guide: Callable | None, objective: Objective, unknown: Unknowns
) -> bool:
    """Is the best normal found directly?

    Args:
        asked: what is asked of the fit.
        guide: the guide; None where it is not known yet.
        objective: the objective.
        unknown: what is unknown: to be latents that rows share, and at most a few parameters.

    Raises:
        ValueError: if that was asked for, and another setting rules it out.
    """
    why_not = unknown.why_not or _too_many(unknown)
    of_steps = {
        "lr": asked.lr,
        "lr_schedule": asked.lr_schedule,
        "clip_norm": asked.clip_norm,
        "kl_weight": asked.kl_weight,
        "patience": asked.patience,
        "weight_decay": asked.weight_decay or None,
    }
    given = [name for name, value in of_steps.items() if value is not None]
    normal = guide is not None and is_normal(guide)
    if asked.optimizer == "auto":
        usual = objective == Trace() and not (given or why_not) and asked.compile is not True
        return asked.until != "steps" and normal and usual
    if asked.optimizer != DADVI:
        return False
    way = "Pass optimizer='adam' to take steps."
    if given:
        raise refusal(given[0], "None, as DADVI takes no steps", of_steps[given[0]], way)
    if guide is not None and not normal:
        raise refusal("guide", "MeanField, FullRank or Pyro's normal AutoGuides", guide, way)
    if not isinstance(objective.target.guide, Elbo):
        raise refusal("objective", "one whose target is the ELBO", objective, way)
    if asked.batch_size not in (None, "auto"):
        raise refusal("batch_size", "None, as DADVI takes all rows", asked.batch_size, way)
    if asked.compile is True:
        wanted = "'auto' or False, as DADVI takes no steps"
        raise refusal("compile", wanted, asked.compile, way)
    if guide is not None and why_not is not None:
        raise ValueError(
            f"optimizer='dadvi' finds a normal over latents that rows share, and {why_not}. {way}"
        )
    if asked.until == "steps":
        raise refusal("until", "'converged', as DADVI takes no steps", asked.until, way)
    return True


def _too_many(unknown: Unknowns) -> str | None:
    """Why DADVI does not train the model's parameters; None if it does, or there are none."""
    if unknown.parameters and unknown.latents > MOST_BESIDE:
        return f"beside parameters such as '{unknown.named}' it takes up to {MOST_BESIDE} numbers"
    if unknown.parameters <= MOST_LEARNT:
        return None
    return (
        f"the model's parameters, such as '{unknown.named}', are {unknown.parameters} numbers, "
        f"more than {MOST_LEARNT}"
    )
