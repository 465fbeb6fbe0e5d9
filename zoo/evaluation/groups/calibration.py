"""Calibration on data simulated from the model; slow, since guides are run or fitted anew."""

import math
from dataclasses import replace

import torch

from zoo.evaluation.sbc import rank_calibration, refit_calibration
from zoo.evaluation.scored_fit import Scored
from zoo.metrics.metric import Metric
from zoo.program import Program
from zoo.training.refit import fit_again

RANKS = 400  # at least, for each dimension
SIMULATIONS = 20


def ranks(scored: Scored) -> dict[str, Metric]:
    """Gives "sbc_p": smallest p-value over dimensions and tests, times their number.

    The note says what the ranks of that dimension look like.

    Raises:
        ValueError: if the guide does not go on new rows as it is.
    """
    repeats = math.ceil(RANKS / scored.rows)
    found = rank_calibration(scored.program, scored.args, repeats=repeats, seed=scored.seed)
    worst = min(found, key=lambda name: found[name].p)
    p = min(1.0, len(found) * found[worst].p)
    count = repeats * scored.rows
    note = f"{count} ranks of {len(found)} dimensions; {worst}: {found[worst].verdict}"
    return {"sbc_p": Metric(p, 0.0, "p-value", "", note)}


def refits(scored: Scored) -> dict[str, Metric]:
    """Gives "vsbc_p": of symmetry, over 20 simulated data sets that the guide is fitted to anew.

    Raises:
        ValueError: if a site observes none of the model's arguments as they are.
    """

    def refit(args: tuple) -> Program:
        with torch.enable_grad():
            task = scored.result.task
            data = replace(task.data, train=args, valid=(), test=())
            return fit_again(scored.result, replace(task, data=data)).program

    found = refit_calibration(
        scored.program, scored.args, refit, simulations=SIMULATIONS, seed=scored.seed
    )
    worst = min(found, key=lambda name: found[name].symmetry_p)
    p = min(1.0, len(found) * found[worst].symmetry_p)
    note = f"{SIMULATIONS} refits of {len(found)} dimensions; {worst}: {found[worst].verdict}"
    return {"vsbc_p": Metric(p, 0.0, "p-value", "", note)}
