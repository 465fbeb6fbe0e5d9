"""The zoo's models whose usual guide holds the exact posterior, each fitted with defaults.

There the ELBO at its best is the exact log evidence, so that what is missing is known.
"""

import time
from typing import Any

import zoo
from guides import GUIDES
from zoo.results.result import Fit

RECIPES = ("linear_regression", "gp_regression", "ppca", "factor_analysis", "local_level")
DRAWS = 4096


def one(name: str, seed: int) -> dict[str, Any]:
    """A row: nats short of the exact evidence, with its error; per row for rowwise models."""
    task = zoo.load(name)
    begin = time.perf_counter()
    fit: Fit = zoo.fit(task, GUIDES[task.usual_guide], seed=seed)
    seconds = time.perf_counter() - begin
    gap = zoo.evaluate(fit, metrics=("exact",), draws=DRAWS)["gap"]
    return {
        "model": name,
        "guide": task.usual_guide,
        "seed": seed,
        "short": gap.value,
        "short_se": gap.se,
        "per_row": fit.latents.rowwise,
        "seconds": seconds,
        "stopped": fit.stopped,
    }
