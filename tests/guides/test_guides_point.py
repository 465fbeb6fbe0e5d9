"""A guide without a density: what needs log q refuses it, and what compares draws trains it."""

import pytest
import torch
from small_tasks import ppca_task

import guides
import zoo
from zoo.latents import describe
from zoo.objectives import OBJECTIVES, InfoVAE, as_objective
from zoo.pairing.mismatch import PairingError, mismatch

IDENTITY = 1e-8
WITHOUT = ("info_vae", "wae", "aae")  # objectives that take no log q


def fitted(objective="wae", **settings):
    return zoo.fit(ppca_task(), "amortised_point", objective=objective, **settings)


def test_it_gives_each_row_the_networks_output():
    fit = fitted(steps=2)
    x = torch.randn(7, *fit.task.split("train")[0].shape[1:])
    (expected,) = fit.guide.encoder((x,))
    for _ in range(2):
        assert torch.allclose(fit.guide(x)["z"], expected, rtol=IDENTITY)


def test_it_stays_on_the_support_of_a_positive_latent():
    import pyro
    import pyro.distributions as dist

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Gamma(2.0, 1.0))
            pyro.sample("x", dist.Poisson(z), obs=x)

    x = torch.tensor([0.0, 3.0, 9.0, 1.0])
    guide = guides.AmortisedPoint(describe(model, x))
    assert (guide(x)["z"] > 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_that_take_log_q_refuse_it_with_the_reason(name):
    task = ppca_task()
    latents = describe(task.build(), *task.split("train"))
    found = mismatch(latents, guides.AmortisedPoint, OBJECTIVES[name])
    spread = mismatch(latents, guides.AmortisedNormal, OBJECTIVES[name])
    if name in WITHOUT:
        assert found is None
    elif spread is None:
        assert "AmortisedPoint puts each row's latents at a point, so that q has no" in found
    else:
        assert found is not None


def test_an_info_vae_with_a_kl_term_refuses_it():
    with pytest.raises(PairingError, match="q has no density"):
        fitted(InfoVAE(alpha=0.5), steps=1)


@pytest.mark.parametrize("name", WITHOUT)
def test_bounds_are_refused_and_draws_are_compared(name):
    fit = fitted(name, steps=5)
    found = zoo.evaluate(fit, metrics=["elbo", "iwae_10", "log_evidence", "k_hat", "latents"])
    for metric in ("elbo", "iwae_10", "log_evidence", "k_hat", "kl", "mutual_information"):
        assert "which has no density" in found.skipped[metric], metric
    assert {"active_units/z", "prior_mmd/z", "prior_mmd_p/z"} == set(found)
    with pytest.raises(ValueError, match="which has no density"):
        fit.log_prob(*fit.task.split("test"))


def test_codes_have_no_spread_and_rows_are_reconstructed():
    fit = fitted(steps=5)
    (x,) = fit.task.split("test")
    codes = fit.encode(x)
    assert torch.allclose(codes.mean["z"], fit.guide(x)["z"])
    assert not codes.sd["z"].any()
    made = fit.model.weight @ codes.mean["z"].mT
    expected = made.mT + fit.model.mu
    assert torch.allclose(fit.reconstruct(x)["x"], expected, atol=1e-6)


@pytest.mark.thorough
def test_a_wasserstein_autoencoder_with_points_matches_the_prior():
    """The aggregated posterior of points, beside that of an autoencoder without a prior."""
    task, found = zoo.load("vae", data="digits"), {}
    for name, objective in {"none": InfoVAE(1.0, 0.0), "wae": as_objective("wae")}.items():
        fit = zoo.fit(task, "amortised_point", objective=objective, steps=1000)
        found[name] = zoo.evaluate(fit, metrics=["latents"])
    assert found["none"]["prior_mmd_p/z"].value < 0.01
    assert found["wae"]["prior_mmd/z"].value < found["none"]["prior_mmd/z"].value / 20


def test_compiled_is_plain():
    """With the same noise, by the capture's own check."""
    fit = fitted(steps=20, compile=True)
    assert fit.backend == "compiled"
    assert torch.isfinite(fit.losses).all()
