"""Calibration on simulated data; slow, because the guide is run on or fitted to each data set.

Metrics:
    sbc_p: simulation-based calibration: p-value that ranks of true latents are uniform.
    vsbc_p: the same for guides refitted to simulated data: p-value of symmetry.
"""

import math
from dataclasses import replace

import torch

from zoo.evaluation.sbc import rank_calibration, refit_calibration
from zoo.evaluation.scored_fit import Scored
from zoo.metrics.metric import Metric
from zoo.program import Program
from zoo.training.refit import fit_again

FEWEST_RANKS = 400  # of each dimension
SIMULATIONS = 20


def ranks(scored: Scored) -> dict[str, Metric]:
    """The metric "sbc_p": the smallest p-value over dimensions, times their number (Bonferroni).

    The note describes the ranks of the dimension with the smallest p-value.

    Raises:
        ValueError: if the guide is not amortised.
    """
    repeats = math.ceil(FEWEST_RANKS / scored.rows)
    found = rank_calibration(scored.program, scored.args, repeats=repeats, seed=scored.seed)
    worst = min(found, key=lambda name: found[name].p)
    p = min(1.0, len(found) * found[worst].p)
    count = repeats * scored.rows
    note = f"{count} ranks of {len(found)} dimensions; {worst}: {found[worst].verdict}"
    return {"sbc_p": Metric(p, 0.0, "p-value", "", note)}


def refits(scored: Scored) -> dict[str, Metric]:
    """The metric "vsbc_p": p-value of symmetry, from guides fitted to 20 simulated data sets.

    Raises:
        ValueError: if the value that a site observes is not an argument of the model.
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
