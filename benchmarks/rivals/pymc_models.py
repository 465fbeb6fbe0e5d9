"""PyMC's ADVI on eight schools, as its users call it, timed after all of its compilation."""

import time

import numpy as np
import pymc as pm

from benchmarks.arrival.pymc_models import schools_centred

METHODS = {"mean_field": pm.ADVI, "full_rank": pm.FullRankADVI}


def time_schools(guide: str, sigma: np.ndarray, y: np.ndarray, steps: int) -> float:
    """Seconds a step: `refine` goes on with the step that `fit` compiled."""
    with pm.Model():
        schools_centred(sigma, y)
        inference = METHODS[guide](random_seed=0)
        optimizer = pm.adam(learning_rate=0.01)
        inference.fit(100, obj_optimizer=optimizer, progressbar=False)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            inference.refine(steps, progressbar=False)
            times.append(time.perf_counter() - begin)
    return min(times) / steps
