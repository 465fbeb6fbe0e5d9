"""Fits of explicit densities: scored by the exact likelihood, drawn as a picture, or refused."""

import math

import pytest
import torch
from cases import guide_of
from joint import close

import zoo
from zoo.comparison.arviz_export import arviz_groups
from zoo.comparison.pictures import image_figure


def test_a_fit_is_scored_by_its_exact_likelihood_on_test_rows():
    fit = zoo.fit(zoo.load("made"), guide_of("empty"), steps=20, compile=False)
    metrics = zoo.evaluate(fit, metrics=["weights", "exact", "predictive_p"])
    (x,) = fit.task.split("test")
    with torch.no_grad():
        exact = fit.program.model.log_evidence(x.to(next(fit.program.parameters())))
    assert metrics.split == "test"
    assert math.isclose(metrics["log_evidence"].value, float(exact.double().mean()), rel_tol=1e-6)
    assert "exact" in metrics["log_evidence"].note
    assert "k_hat" not in metrics
    assert "a draw of 'x' takes 64 passes of the network" in metrics.skipped["predictive_p"]
    assert metrics["log_evidence"].value > len(x[0]) * math.log(0.5)
    assert fit.sample(3)["x"].shape == (3, 64)
    found = fit.log_prob(x)
    close(found.value, exact)
    assert not found.error.any()
    assert repr(found).endswith("nats, exact")


def test_a_saved_density_has_its_draws_as_a_picture(tmp_path):
    """Predictive data sets would take thousands of passes; the file of draws leaves them out."""
    fit = zoo.fit(zoo.load("pixelcnn"), guide_of("empty"), steps=2, compile=False)
    figure = image_figure(fit, count=6)
    assert [axis.get_title() for axis in figure.axes] == ["test rows", "samples from the model"]
    groups = arviz_groups(fit).groups
    assert "posterior_predictive" not in groups
    assert groups["observed_data"]["x"].values.shape == (100, 64)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "pixelcnn", "data": "hmm", "likelihood": "gaussian"}, "a grey image.*nade"),
        (
            {"model": "gated_pixelcnn", "data": "hmm", "likelihood": "gaussian"},
            "height \\* width pixels; got None",
        ),
        (
            {"model": "nade", "likelihood": "dequantised"},
            "levels with noise.*Use categorical or logistic_mixture",
        ),
        ({"model": "nade", "likelihood": "gaussian_mixture", "prior": "vamp"}, "no option prior"),
        ({"model": "made", "binarize": "none"}, "Likelihood 'bernoulli' takes pixels of 0 and 1"),
    ],
)
def test_what_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        zoo.load(**options).build()


def test_a_guide_of_latents_is_refused_and_so_is_a_bound_of_draws():
    task = zoo.load("nade")
    with pytest.raises(ValueError, match="no latents.*exact and AmortisedNormal has nothing"):
        zoo.fit(task, guide_of("amortised_normal"), steps=1)
    with pytest.raises(ValueError, match="no latents.*exact and IWAE has no draws.*trace"):
        zoo.fit(task, guide_of("empty"), objective="iwae", steps=1)
