"""Stored references against importance sampling that integrates the many effects out."""

import numpy as np
import pytest
import torch
from integrated import Weighted, seeds, volatility

import zoo
from zoo.isolation import in_double, isolated
from zoo.reference import reference

ERRORS = 5


def agree(found: Weighted, known, names):
    """Do means and sds agree, within the errors of both?"""
    assert found.effective > 300
    for name in names:
        mean, sd, mean_error, sd_error = found.moments(name)
        theirs, errors = known.moments()[name], known.errors()[name]
        for one, error, other, other_error in zip(
            (mean, sd), (mean_error, sd_error), theirs, errors, strict=True
        ):
            gap = (one - other.reshape(-1)).abs()
            assert (gap < ERRORS * torch.hypot(error, other_error.reshape(-1))).all(), name


@pytest.mark.thorough
def test_seeds_with_the_effects_of_plates_integrated_out():
    task = zoo.load("seeds")
    known = reference(task)
    alpha = known.draws["alpha"]
    covariance = 1.3 * torch.from_numpy(np.cov(alpha.T.numpy()))
    with isolated(seed=1), in_double():
        data = tuple(x.double() for x in task.split("train"))
        found = seeds(data, alpha.mean(0), covariance, 20_000)
    agree(found, known, ("alpha", "tau"))


@pytest.mark.thorough
def test_stochastic_volatility_with_the_log_variances_integrated_out():
    task = zoo.load("stochastic_volatility")
    with isolated(seed=1), in_double():
        found = volatility(task.split("train")[0].double(), 3000)
    agree(found, reference(task), ("mu", "phi", "sigma"))
