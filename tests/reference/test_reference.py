"""Reference posteriors: how they are made, when they are refused, kept, and trusted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from command_line import refused
from pyro.infer.reparam import LocScaleReparam

import guides
import zoo
from zoo.arviz_compat import chain_diagnostics
from zoo.cli.reference import path_of, reference_table
from zoo.data import DataNotFound
from zoo.isolation import in_double, isolated
from zoo.metrics.posterior import exact_moments, posterior_errors, sd_error
from zoo.models import MODELS
from zoo.protocols import HasMoments, HasPosterior
from zoo.reference import UnreliableReferenceError, load, reference, sample_reference, save
from zoo.reference.checks import check, summarise
from zoo.reference.posterior import Posterior
from zoo.reference.store import HERE, TENSORS

NONCENTRED = {
    name: dict.fromkeys(recipe.noncentred, LocScaleReparam(0.0))
    for name, recipe in MODELS.items()
    if recipe.noncentred
}
STORED = sorted(HERE.glob("*.npz"))
LIMIT = 1_500_000
WITHOUT_MOMENTS = (
    *("logistic_regression", "garch", "item_response", "log_gaussian_cox", "radon"),
    *("lotka_volterra", "seeds", "stochastic_volatility", "sparse_logistic"),
)
Y = torch.tensor([0.3, -1.2, 2.0])


def normal_means(y):
    """Prior N(0, 1) and noise 1/2 for each mean: the posterior is N(4 y / 5, 1 / 5)."""
    zero = y.new_zeros(3)
    loc = pyro.sample("loc", dist.Normal(zero, zero + 1).to_event(1))
    pyro.sample("y", dist.Normal(loc, 0.5).to_event(1), obs=y)


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(3)
    return zoo.reference(normal_means, Y, chains=12, draws=200, warmup=80, compile=False)


def test_the_chains_find_a_known_posterior(found):
    mean, sd = found.moments()["loc"]
    mean_error, sd_of_sd = found.errors()["loc"]
    assert ((mean - 0.8 * Y).abs() < 5 * mean_error).all()
    assert ((sd - 0.2**0.5).abs() < 5 * sd_of_sd).all()
    assert found.draws["loc"].shape == (2400, 3)
    assert found.divergences == 0
    assert found.provenance["data"]["hash"] == found.hash


def test_the_file_holds_all_of_it(found, tmp_path):
    again = load(save(found, tmp_path / "new" / "found.npz"))
    assert torch.equal(again.draws["loc"], found.draws["loc"].float().double())
    for name in TENSORS[1:]:
        assert torch.equal(vars(again)[name]["loc"], vars(found)[name]["loc"])
    for name in ("model", "data", "hash", "seed", "divergences", "settings", "provenance"):
        assert vars(again)[name] == vars(found)[name]


@pytest.mark.parametrize(
    ("out", "path"), [(None, "m-1.npz"), ("new/", "new/m-1.npz"), ("new/mine.npz", "new/mine.npz")]
)
def test_a_reference_is_written_to_a_file_or_into_a_folder(out, path):
    assert path_of(out if out is None else Path(out), "m-1.npz") == Path(path)


def test_the_table_has_a_line_for_each_scalar(found):
    table = reference_table(found)
    assert [column.header for column in table.columns][-2:] == ["tail ESS", "k-hat"]
    assert list(table.columns[-1].cells) == [f"{k:.2f}" for k in found.k_sd["loc"].tolist()]


def test_a_write_that_fails_leaves_nothing(found, tmp_path, monkeypatch):
    def broken(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", broken)
    with pytest.raises(OSError, match="disk full"):
        save(found, tmp_path / "found.npz")
    assert list(tmp_path.iterdir()) == []


def test_another_archive_is_no_reference(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match=r"other\.npz; got \['x'\]\. Make it with"):
        load(tmp_path / "other.npz")


@pytest.mark.thin(3)
@pytest.mark.parametrize("name", NONCENTRED)
def test_noncentred_draws_are_mapped_back(name):
    """The sampled eta become theta = loc + scale eta, under the model's own names."""
    task = zoo.load(name)
    with isolated(seed=1), in_double():
        args = tuple(arg.double() for arg in task.split("train"))
        centred = Posterior(task.build(), args, {}, 2)
        other = Posterior(task.build(), args, NONCENTRED[name], 2)
        u = torch.randn(4, other.density.size)
        values = other.values(u)
        eta = dict(
            zip(other.density.columns.sites, u.split(other.density.columns.sizes, 1), strict=True)
        )
    held = {site.name.removesuffix("_decentered"): part for site, part in eta.items()}
    if name == "eight_schools":
        expected = values["mu"][:, None] + values["tau"][:, None] * held["theta"]
        assert torch.allclose(values["theta"], expected, rtol=1e-8)
    if name == "neals_funnel":
        expected = args[0][1:] * (values["v"] / 2).exp()[:, None] * held["x"]
        assert torch.allclose(values["x"], expected, rtol=1e-8)
    if name == "banana":
        expected = 0.03 * (values["x1"] ** 2 - args[0][0] ** 2) + args[0][1] * held["x2"][:, 0]
        assert torch.allclose(values["x2"], expected, rtol=1e-8)
    assert set(values) == set(centred.names)


@pytest.mark.parametrize(
    "name", ["eight_schools", "logistic_regression", "garch", "lotka_volterra"]
)
def test_the_traced_slope_is_the_models(name):
    task = zoo.load(name)
    with isolated(seed=1), in_double():
        args = tuple(arg.double() for arg in task.split("train"))
        posterior = Posterior(task.build(), args, NONCENTRED.get(name, {}), 3)
        assert isinstance(posterior.slope, torch.fx.GraphModule)
        u = torch.randn(3, posterior.density.size)
        for one, two in zip(posterior.slope(u), posterior.plain(u), strict=True):
            assert torch.allclose(one, two, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bernoulli_latent", "'z' is discrete"),
        ("bernoulli_vae", "'z' lies in the plate 'data', with a posterior for each row"),
    ],
)
def test_other_latents_are_refused(name, text):
    with pytest.raises(ValueError, match=text):
        sample_reference(zoo.load(name))


def test_a_site_that_is_no_latent_is_refused():
    with pytest.raises(ValueError, match="No latent named 'eta'"):
        sample_reference(zoo.load("eight_schools"), noncentred=["eta"])


def test_the_command_says_no_in_one_line(capsys, monkeypatch):
    assert "'z' is discrete" in refused(capsys, monkeypatch, "reference", "bernoulli_latent")


def good(draws=1200):
    return torch.randn(4, draws, 2, 2)


def refusal(z, divergences=0):
    """What the check says of draws z, shape (chains, draws, ...)."""
    with pytest.raises(UnreliableReferenceError) as caught:
        check(summarise({"z": z.flatten(0, 1)}, 4), divergences)
    return str(caught.value)


def test_good_chains_pass_and_bad_ones_are_named():
    check(summarise({"z": good().flatten(0, 1)}, 4), 0)
    apart = good()
    apart[0, :, 1, 0] += 1
    assert "r_hat below 1.01 for every scalar; got 1." in refusal(apart)
    assert "for z[1, 0]. Raise draws" in refusal(apart)
    few = summarise({"z": good().flatten(0, 1)}, 4)
    few["ess_tail"]["z"][1, 1] = 999.0
    with pytest.raises(UnreliableReferenceError, match=r"ess_tail above 1000 .* 999 for z\[1, 1"):
        check(few, 0)
    assert "no divergent transitions; got 3" in refusal(good(), 3)
    endless = good()
    endless[0, 0, 0, 0] = torch.nan
    assert "for z[0, 0]" in refusal(endless)


def test_diagnostics_of_independent_draws():
    z = torch.randn(4, 2000).numpy()
    told = chain_diagnostics(z)
    assert told["r_hat"] < 1.01
    assert abs(told["mcse_mean"] / (z.std() / told["ess_bulk"] ** 0.5) - 1) < 0.1
    assert abs(told["mcse_sd"] / (z.std() / (2 * told["ess_bulk"]) ** 0.5) - 1) < 0.2
    assert chain_diagnostics(np.ones((4, 50)))["mcse_mean"] == 0.0


def covered(error, repeats=400, n=500):
    """How often the sample sd of Student's t of 6 degrees +- 1.96 of its error holds the true."""
    z = torch.distributions.StudentT(torch.tensor(6.0)).sample((n, repeats))
    return float(((z.std(0) - 1.5**0.5).abs() < 1.96 * error(z)).double().mean())


def test_the_error_of_an_sd_holds_under_heavy_tails():
    n = 500
    normal = covered(lambda z: z.std(0) / (2 * (n - 1)) ** 0.5)
    ours = covered(sd_error)
    noise = 5 * (ours * (1 - ours) / 400) ** 0.5
    assert ours + noise > 0.95 > normal + noise
    z = torch.randn(n, 2000)
    plain = z.std(0) / (2 * (n - 1)) ** 0.5
    assert abs(float((sd_error(z) / plain).mean()) - 1) < 0.02


def test_a_references_own_error_enters():
    z = {"z": torch.randn(1000, 3) * 1.5 + 0.5}
    exact = {"z": (torch.zeros(3), torch.ones(3))}
    small, large = (
        posterior_errors(z, exact, "", {"z": (torch.full((3,), e), torch.full((3,), e))})
        for e in (1e-6, 0.3)
    )
    plain = posterior_errors(z, exact, "")
    for name in plain:
        assert abs(small[name].value - plain[name].value) < 1e-8
        assert small[name].note == ""
        assert large[name].se > 3 * plain[name].se
        assert "reference's own error is larger" in large[name].note


@pytest.mark.thorough
def test_evaluate_takes_the_reference_of_a_model_that_knows_nothing(found, monkeypatch):
    task = zoo.load("logistic_regression")
    sites = {
        name: {"beta": vars(found)[name]["loc"][..., :1].repeat_interleave(31, -1)}
        for name in ("mean", "sd", "mcse_mean", "mcse_sd", "draws")
    }
    made = replace(found, **sites)
    monkeypatch.setattr("zoo.evaluation.groups.posterior.reference", lambda task: made)
    result = zoo.fit(task, guides.MeanField, steps=2)
    metrics = zoo.evaluate(result, metrics=["posterior_mean_error"], draws=50)
    assert "against reference draws" in metrics["posterior_mean_error"].note
    other = zoo.evaluate(result, metrics=["posterior_mean_error"], draws=50, split="test")
    assert "does not know its posterior" in other.skipped["posterior_mean_error"]


def task_of(kept):
    """The task of a stored reference; its data may be files that are not there."""
    try:
        return zoo.load(kept.model, data=kept.data)
    except DataNotFound as error:
        pytest.skip(str(error))


def test_there_are_references():
    assert STORED


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_reference_has_earned_its_place(path):
    kept = load(path)
    task = task_of(kept)
    assert path.stat().st_size < LIMIT
    assert reference(task).hash == task.data.hash == kept.hash
    check({name: vars(kept)[name] for name in TENSORS[1:]}, kept.divergences)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_reference_has_the_exact_moments(path):
    kept = load(path)
    task = task_of(kept)
    model = task.build()
    if not isinstance(model, HasMoments | HasPosterior):
        assert kept.model in WITHOUT_MOMENTS
        return
    exact = exact_moments(model, task.split("train"))
    for name, pair in exact.items():
        for i, truth in enumerate(pair):
            error = kept.errors()[name][i]
            assert ((kept.moments()[name][i] - truth).abs() < 5 * error).all(), (name, i)


def test_numbers_of_the_model_in_single_precision_are_named():
    """As tutorials write it: the data are no arguments."""
    design = torch.randn(20, 2, dtype=torch.float32)

    def regression(y):
        beta = pyro.sample("beta", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("y", dist.Normal(design @ beta, 1.0).to_event(1), obs=y)

    with pytest.raises(ValueError, match="Pass the data as arguments"):
        zoo.reference(regression, torch.randn(20), chains=2, draws=4, warmup=1, compile=False)
