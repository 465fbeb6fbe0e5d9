"""What a fit is used for, against models that know the truth, and what is refused."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from small_tasks import best_diagonal_guide, causes_task, exact_guide, fitted_ppca_task, regression
from torch.distributions import constraints

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, Empty, FullRank, MeanField, PerDatum
from guides import guide_named as guide
from zoo.metrics.weight_diagnostics import k_hat_threshold
from zoo.models import MODELS

MANY = 20_000
ERRORS = 5  # standard errors


@pytest.fixture(scope="module")
def ppca():
    """Probabilistic PCA at its maximum of likelihood, with its exact posterior as the guide."""
    task = fitted_ppca_task()
    return zoo.fit(task, exact_guide(task), steps=1, lr=1e-30)


@pytest.fixture(scope="module")
def rows(ppca):
    return ppca.task.split("test")[0]


def test_codes_as_one_array(ppca, rows):
    found = ppca.transform(rows)
    assert found.shape == (len(rows), 2)
    np.testing.assert_allclose(found, ppca.encode(rows).mean["z"].double(), rtol=1e-8)


def test_the_score_is_the_mean_of_log_p(ppca, rows):
    """By the exact posterior every weight is p(x) itself, as scikit-learn's PCA scores it."""
    exact = float(ppca.model.log_evidence(rows).detach().mean())
    assert ppca.score(rows) == pytest.approx(exact, rel=1e-6)
    assert ppca.score(rows) == pytest.approx(float(ppca.log_prob(rows).value.mean()), rel=1e-8)


def test_no_rows_are_refused(ppca, rows):
    for use in (ppca.log_prob, ppca.encode, ppca.reconstruct, ppca.transform, ppca.score):
        with pytest.raises(ValueError, match="Expected x to have at least one row; got none"):
            use(rows[:0])


def near(draws, mean, *, errors=ERRORS):
    """Is the mean of the draws within its standard errors of the truth?"""
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - mean).abs() <= errors * error).all()


def test_samples_have_the_moments_of_the_model(ppca):
    drawn, model = ppca.sample(MANY), ppca.model
    assert drawn.keys() == {"z", "x"}
    near(drawn["x"], model.mu)
    centred = drawn["x"] - model.mu
    covariance = model.weight @ model.weight.mT + (2 * model.log_scale).exp() * torch.eye(5)
    near(centred[:, :, None] * centred[:, None], covariance)


def test_codes_are_the_moments_of_the_exact_posterior(ppca, rows):
    exact = ppca.model.posterior(rows)["z"]
    found = ppca.encode(rows)
    torch.testing.assert_close(found.mean["z"], exact.mean)
    torch.testing.assert_close(found.sd["z"], exact.stddev)
    assert torch.equal(ppca.encode(rows.numpy()).mean["z"], found.mean["z"])
    assert len(ppca.encode().mean["z"]) == ppca.task.data.rows


def test_codes_by_draws_are_those_of_the_guide(rows):
    """An inverse autoregressive flow has no known moments; its draws have."""
    fit = zoo.fit(fitted_ppca_task(), guide("amortised_iaf"), steps=3)
    codes, drawn = fit.encode(rows, draws=MANY), fit.posterior(MANY, rows, seed=1)["z"]
    near(drawn, codes.mean["z"], errors=2**0.5 * ERRORS)
    assert (codes.sd["z"] / drawn.std(0) - 1).abs().max() < ERRORS / MANY**0.5


def test_a_reconstruction_is_the_mean_of_data_given_the_posterior(ppca, rows):
    exact, draws = ppca.model.posterior(rows)["z"], 2000
    found = ppca.reconstruct(rows, draws=draws)["x"]
    weight = ppca.model.weight
    spread = (weight @ exact.covariance_matrix @ weight.mT).diagonal(dim1=-2, dim2=-1)
    assert (
        (found - ppca.model.decode(exact.mean)).abs() <= ERRORS * (spread / draws).sqrt()
    ).all()


def test_log_prob_is_the_exact_one(ppca, rows):
    """Under the exact posterior every weight is p(x); under another guide, within the errors."""
    found, exact = ppca.log_prob(rows, draws=100), ppca.model.log_evidence(rows)
    torch.testing.assert_close(found.value, exact, rtol=1e-8, atol=1e-8)
    assert (found.error < 1e-6).all()
    task = fitted_ppca_task()
    other = zoo.fit(task, best_diagonal_guide(task), steps=1, lr=1e-30)
    found = other.log_prob(rows, draws=5000)
    sure = found.k_hat < k_hat_threshold(5000)
    assert sure.sum() >= 5
    assert ((found.value - exact).abs() <= ERRORS * found.error)[sure].all()
    assert f"of {len(rows)} rows" in repr(found)


def test_log_prob_of_series_and_of_labels():
    for name, guide_of in (("hmm", AmortisedDiscrete), ("gaussian_mixture", Empty)):
        objective = "rloo" if name == "hmm" else "enumerate"
        fit = zoo.fit(zoo.load(name), guide_of, objective=objective, steps=200)
        (x,) = fit.task.split("test")
        found, exact = fit.log_prob(x, draws=2000), fit.model.log_evidence(x)
        sure = found.k_hat.nan_to_num(nan=0.0) < k_hat_threshold(2000)
        assert ((found.value - exact).abs() <= ERRORS * found.error + 1e-8)[sure].all()


def test_samples_of_a_hidden_markov_model_begin_in_its_first_states():
    fit = zoo.fit(zoo.load("hmm"), AmortisedDiscrete, objective="rloo", steps=20)
    drawn = fit.sample(MANY)
    near(drawn["z_0"], fit.model.initial_logits.softmax(-1))
    assert drawn["x"].shape == (MANY, 6)


def test_draws_of_the_posterior_of_a_regression():
    """Its coefficients are shared: one number log p(y), and fitted values for every row."""
    fit = zoo.fit(zoo.load("linear_regression"), FullRank)
    args = fit.task.split("train")
    exact = fit.model.posterior(*args)["beta"]
    drawn = fit.posterior(MANY)["beta"]
    near((drawn - exact.mean) / exact.stddev, torch.zeros(4), errors=2 * ERRORS)
    found = fit.log_prob()
    assert abs(float(found.value - fit.model.log_evidence(*args))) <= ERRORS * float(found.error)
    fitted = fit.reconstruct(draws=500)["y"]
    off = (args[0] @ exact.covariance_matrix * args[0]).sum(-1).sqrt()
    assert ((fitted - args[0] @ exact.mean).abs() <= 2 * ERRORS * off / 500**0.5).all()
    assert fit.sample(7)["y"].shape == (7, len(args[1]))


def test_a_saved_fit_is_used_as_it_was(tmp_path, ppca):
    fit = zoo.fit(zoo.load("bernoulli_vae"), AmortisedNormal, steps=3)
    again, x = zoo.load_fit(zoo.save(fit, tmp_path / "fit")), fit.task.split("test")[0]
    for one, other in (
        (fit.sample(3), again.sample(3)),
        (fit.posterior(3, x), again.posterior(3, x)),
    ):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(fit.log_prob(x, draws=20).value, again.log_prob(x, draws=20).value)
    assert torch.equal(fit.encode(x).mean["z"], again.encode(x).mean["z"])


def test_models_and_guides_of_a_users_own():
    model, x, y = regression()
    fit = zoo.fit(model, AutoNormal, x, y, steps=5)
    assert fit.posterior(4)["w"].shape == (4, 2)
    assert fit.sample(4)["y"].shape == (4, 20)
    assert fit.reconstruct()["y"].shape == (20,)
    assert fit.log_prob(draws=50).value.shape == (1,)
    state = torch.random.get_rng_state()
    fit.sample(3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(fit.sample(3)["y"], fit.sample(3, seed=1)["y"])


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_makes_data_like_its_own(name):
    task = zoo.load(name)
    fit = zoo.fit(task, guide(task.usual_guide), objective=task.recipe.objective, steps=2)
    drawn = fit.sample(3)
    labelled = dict(zip(task.data.labels, task.data.train, strict=True))
    for site in fit.latents.observed:
        assert drawn[site].isfinite().all()
        if site in labelled:
            rows = 1 if fit.latents.rowwise else 0
            assert drawn[site].shape == (3, *labelled[site].shape[rows:])
    if fit.latents.rowwise and fit.latents.sites:
        test = task.split("test")
        held = {n: z.shape[0] for n, z in fit.encode(*test).mean.items()}
        assert set(held.values()) == {len(test[0])}
        data = fit.reconstruct(*test, draws=2)
        own = [label for label in task.data.labels if label in data]
        assert all(data[label].shape == labelled[label][: len(test[0])].shape for label in own)


def flat(x):
    loc = pyro.sample("loc", dist.ImproperUniform(constraints.real, (), ()))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


X = torch.randn(20, 5)
REFUSED = {
    "no codes without latents": (
        lambda: zoo.fit(zoo.load("fvsbn"), Empty, steps=1).encode(),
        "'fvsbn' has no latents.*fit.log_prob",
    ),
    "no reconstructions without latents": (
        lambda: zoo.fit(zoo.load("fvsbn"), Empty, steps=1).reconstruct(),
        "'fvsbn' has no latents.*fit.sample",
    ),
    "no rows of their own": (
        lambda: zoo.fit(zoo.load("eight_schools"), MeanField, steps=1).encode(),
        "share the latents of 'eight_schools'.*fit.posterior",
    ),
    "new rows for a shared latent": (
        lambda: zoo.fit(zoo.load("eight_schools"), MeanField, steps=1).log_prob(X, X),
        "metrics=..log_predictive",
    ),
    "new rows without parameters": (
        lambda: zoo.fit(fitted_ppca_task(), PerDatum, steps=1).encode(X),
        "PerDatum has parameters for the training rows alone.*AmortisedNormal",
    ),
    "new rows for a guide of one's own": (
        lambda: zoo.fit(fitted_ppca_task(), AutoNormal, steps=1).encode(X),
        "AutoNormal cannot be run on these rows.*amortised",
    ),
    "nothing drawn": (
        lambda: zoo.fit(causes_task(), Empty, objective="enumerate", steps=1).posterior(3),
        "Empty draws nothing for 'z'.*amortised_discrete",
    ),
    "nothing to encode with": (
        lambda: zoo.fit(causes_task(), Empty, objective="enumerate", steps=1).encode(),
        "Empty draws nothing for 'z'",
    ),
    "nothing observed": (
        lambda: zoo.fit(zoo.load("banana"), MeanField, steps=1).reconstruct(),
        "'banana' observes nothing.*fit.posterior",
    ),
    "a flat prior": (
        lambda: zoo.fit(flat, MeanField, X[:, 0], steps=1).sample(3),
        "cannot be sampled: ImproperUniform.*proper prior",
    ),
    "rows of another width": (
        lambda: zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=1).encode(X[:, :3]),
        r"shape \(rows, 5\); got a tensor of shape \(20, 3\)",
    ),
    "another number of arguments": (
        lambda: zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=1).encode(X, X),
        r"Expected the rows to be 1 argument",
    ),
    "values that cannot be": (
        lambda: zoo.fit(zoo.load("vae"), AmortisedNormal, steps=1).log_prob(torch.rand(3, 64)),
        "Expected values of 'x' .*zeros and ones",
    ),
    "no draws": (
        lambda: zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=1).sample(0),
        "Expected n to be a whole number above 0; got 0.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_a_way_out(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        call()


def test_large_data_are_encoded_in_chunks(monkeypatch, rows):
    fit = zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=1)
    whole = fit.encode(rows), fit.reconstruct(rows, draws=1)
    monkeypatch.setattr("zoo.sampling.summaries.MOST_VALUES_AT_ONCE", 5 * 7 * 1000)
    torch.testing.assert_close(fit.encode(rows).mean, whole[0].mean)
    monkeypatch.setattr("zoo.sampling.summaries.MOST_VALUES_AT_ONCE", 5 * 7)
    assert fit.reconstruct(rows, draws=1)["x"].shape == whole[1]["x"].shape
