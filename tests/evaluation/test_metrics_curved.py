"""Latents in curved spaces: what speaks of means and sds of coordinates refuses, and says why."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import zoo
from zoo.metrics.moment_shift import NO_MEANS
from zoo.reference.posterior import refuse


def model(x):
    direction = pyro.sample("direction", dist.ProjectedNormal(torch.zeros(3)))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(direction.sum(-1), 1.0), obs=x)


class OnSphere(nn.Module):
    def __init__(self):
        super().__init__()
        self.towards = nn.Parameter(torch.ones(3))

    def forward(self, x):
        pyro.sample("direction", dist.ProjectedNormal(self.towards))


@pytest.fixture(scope="module")
def fit():
    return zoo.fit(model, OnSphere(), torch.ones(4), steps=2, device="cpu")


def test_no_moments_of_coordinates(fit):
    asked = ["elbo", "psis_mean_shift", "smc_mean_shift", "sliced_wasserstein_1", "sd_error_bound"]
    found = zoo.evaluate(fit, metrics=[*asked, "posterior_sd_error"], draws=100)
    assert found["elbo"].value < 0
    assert found.skipped["psis_mean_shift"] == found.skipped["smc_mean_shift"] == NO_MEANS
    for name in ("sliced_wasserstein_1", "sd_error_bound", "posterior_sd_error"):
        assert "'direction' takes points on a sphere of 3" in found.skipped[name]


def test_the_verdict_asks_for_nothing_that_is_refused(fit):
    verdict = str(zoo.evaluate(fit, draws=500).verdict)
    assert "'smc'" not in verdict
    assert "'ais'" not in verdict


def test_nuts_names_the_way_out(fit):
    with pytest.raises(ValueError, match="'direction' is spherical. Score it by iwae_K"):
        refuse(fit.program.latents)
