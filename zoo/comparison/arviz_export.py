"""A fit as the groups of an ArviZ file: what its draws, predictions and prior look like."""

import numpy as np
from torch import Tensor

from zoo.device import to_device
from zoo.evaluation.evaluate import held_out_split
from zoo.isolation import isolated
from zoo.program import Program
from zoo.results.result import Fit
from zoo.sampling.draws import (
    draw,
    draw_jointly,
    draw_predictive,
    draw_weighted,
    first_rows,
    observed_sites,
)

DRAWS, ROWS = 200, 100

Groups = dict[str, dict[str, np.ndarray]]


def arviz_groups(result: Fit) -> Groups:
    """Draws of a fit for up to 100 rows, every array led by (chain, draw) but the data's own.

    Returns:
        "posterior", "posterior_predictive", "log_likelihood", "sample_stats" (log p(x, z) as lp,
        log q(z) and the log-weight, summed over rows), "prior", "prior_predictive" and
        "observed_data"; without those that the model or the guide has nothing for.
    """
    split = held_out_split(result) if result.amortised else "train"
    args = tuple(to_device(arg, result.device) for arg in result.task.scoring_args(split))
    program, rows = result.program, ROWS if result.latents.rowwise else None
    found: dict[str, dict[str, Tensor]] = {}
    with isolated(seed=result.settings.seed):
        drawn = draw(program, args, DRAWS, rows=rows)
        found["posterior"], found["log_likelihood"] = drawn.latents, drawn.log_likelihood
        found["posterior_predictive"] = draw_predictive(program, args, DRAWS, rows=rows)
        found["sample_stats"] = _densities(program, args, rows)
        found["prior"], found["prior_predictive"] = draw_jointly(program, args, DRAWS, rows=rows)
        sites = observed_sites(program, first_rows(program, args, rows))
    groups = {
        group: {name: value.cpu().numpy()[None] for name, value in values.items()}
        for group, values in found.items()
        if values
    }
    data = {name: site["value"].cpu().numpy() for name, site in sites.items()}
    return groups | ({"observed_data": data} if data else {})


def _densities(program: Program, args: tuple, rows: int | None) -> dict[str, Tensor]:
    """Log densities of draws; none where they mean nothing, see :mod:`zoo.sampling.weighable`."""
    try:
        found = draw_weighted(program, args, DRAWS, rows=rows)
    except ValueError:
        return {}
    log_p, log_q = found.log_p.sum(1), found.log_q.sum(1)
    return {"lp": log_p, "log_q": log_q, "log_weight": log_p - log_q}
