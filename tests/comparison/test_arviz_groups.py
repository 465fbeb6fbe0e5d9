"""ArviZ files: every group, readable, and good for ArviZ's own comparison and plots."""

import arviz
import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import causes_task, fitted_ppca_task

import zoo
from guides import AmortisedFullRank, AmortisedNormal, Empty, MeanField
from zoo.arviz_compat import LEGACY, chain_diagnostics, read_netcdf, write_netcdf
from zoo.comparison.arviz_export import arviz_groups

GROUPS = {
    "posterior",
    "posterior_predictive",
    "log_likelihood",
    "sample_stats",
    "prior",
    "prior_predictive",
    "observed_data",
}
X = torch.tensor([0.3, -1.2, 2.0, 0.7, 1.1, -0.4])


def right(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def wrong(x):
    mean = pyro.sample("mean", dist.Normal(5.0, 0.1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("arviz"), {}
    for model in (wrong, right):
        fit = zoo.fit(model, MeanField, X, steps=300, lr=0.05)
        path = folder / f"{model.__name__}.nc"
        found[model.__name__] = write_netcdf(arviz_groups(fit), path)
    return found


def groups_of(data):
    names = data.groups() if LEGACY else data.groups
    return {name if LEGACY else name.strip("/") for name in (names if LEGACY else names)} - {""}


def test_every_group_is_there_in_four_chains(files):
    data = read_netcdf(files["right"])
    assert groups_of(data) == GROUPS
    draws, rows = {"chain": 4, "draw": 250}, {"row": 6}
    sizes = {
        "posterior": ("mean", draws),
        "posterior_predictive": ("x", draws | rows),
        "log_likelihood": ("x", draws | rows),
        "sample_stats": ("lp", draws),
        "prior": ("mean", draws),
        "prior_predictive": ("x", draws | rows),
        "observed_data": ("x", rows),
    }
    for group, (name, wanted) in sizes.items():
        assert dict(data[group][name].sizes) == wanted
    assert data["posterior"]["chain"].values.tolist() == [0, 1, 2, 3]
    assert data["observed_data"]["row"].values.tolist() == list(range(6))
    assert data["observed_data"]["x"].values.tolist() == pytest.approx(X.tolist())


def test_a_file_says_what_made_it(tmp_path):
    fit = zoo.fit(right, MeanField, X, steps=5, seed=3)
    metrics = zoo.evaluate(fit, metrics=["elbo"], draws=20)
    data = read_netcdf(write_netcdf(arviz_groups(fit, metrics), tmp_path / "a.nc"))
    for attributes in (data["posterior"].attrs, data.attrs):
        assert attributes["guide"] == "MeanField"
        assert attributes["objective"] == "Trace(particles=1)"
        assert attributes["seed"] == 3
        assert attributes["verdict"] == metrics.verdict
        assert attributes["command"]
        assert attributes["data_hash"] == fit.task.data.hash
    assert "verdict" not in arviz_groups(fit).attributes


@pytest.mark.filterwarnings("ignore")
def test_chains_of_independent_draws_agree(files):
    """What ArviZ says of four chains: R-hat is near 1, and nearly all draws are effective."""
    data = read_netcdf(files["right"])
    z = data["posterior"]["mean"].values
    found = chain_diagnostics(z)
    assert found["r_hat"] < 1.01
    assert found["ess_bulk"] > z.size / 2


def test_plates_and_pixels_are_named():
    schools = arviz_groups(zoo.fit(zoo.load("eight_schools"), MeanField, steps=1))
    assert schools["posterior"]["theta"].dims == ("chain", "draw", "schools")
    assert schools["posterior"]["tau"].dims == ("chain", "draw")
    assert schools["observed_data"]["y"].dims == ("schools",)
    assert schools["log_likelihood"]["y"].dims == ("chain", "draw", "schools")
    vae = arviz_groups(zoo.fit(zoo.load("vae"), AmortisedNormal, steps=1))
    assert vae["posterior"]["z"].dims == ("chain", "draw", "row", "z_index")
    assert vae["posterior_predictive"]["x"].dims == ("chain", "draw", "row", "pixel")
    beta = arviz_groups(zoo.fit(zoo.load("linear_regression"), MeanField, steps=1))
    assert beta["posterior"]["beta"].dims == ("chain", "draw", "beta_index")
    assert beta["log_likelihood"]["y"].dims == ("chain", "draw", "row")


def test_a_plate_may_have_the_name_of_a_dimension(tmp_path):
    def model(x):
        with pyro.plate("draw", 3):
            pyro.sample("mean", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=x)

    groups = arviz_groups(zoo.fit(model, MeanField, X, steps=1))
    assert groups["posterior"]["mean"].dims == ("chain", "draw", "draw_plate")
    assert groups_of(read_netcdf(write_netcdf(groups, tmp_path / "a.nc"))) == GROUPS


def test_the_densities_are_those_of_the_draws(files):
    """lp of a normal mean, given its draws; the weights are lp - log q."""
    groups = arviz_groups(zoo.fit(right, MeanField, X, steps=50))
    stats = groups["sample_stats"]
    stats = {name: one.values for name, one in stats.items()}
    assert stats["log_weight"] == pytest.approx(stats["lp"] - stats["log_q"])
    assert groups["prior"]["mean"].values.std() == pytest.approx(2.0, rel=5 / 2000**0.5)
    mean = groups["posterior"]["mean"].values[..., None]
    by_hand = dist.Normal(torch.as_tensor(mean), 1.0).log_prob(X).numpy()
    assert groups["log_likelihood"]["x"].values == pytest.approx(by_hand)
    spread = groups["prior_predictive"]["x"].values.std()
    assert spread == pytest.approx(5**0.5, rel=0.25)


@pytest.mark.filterwarnings("ignore")  # high k-hats, which arviz.loo shows; pandas' of ArviZ
def test_the_true_model_predicts_best(files):
    ranked = arviz.compare({name: read_netcdf(path) for name, path in files.items()})
    assert list(ranked.index) == ["right", "wrong"]


@pytest.mark.filterwarnings("ignore")
def test_arviz_plots_a_file(files):
    data = read_netcdf(files["right"])
    if LEGACY:
        arviz.plot_posterior(data)
        arviz.plot_ppc(data)
    else:
        arviz.plot_dist(data)
        arviz.plot_ppc_dist(data)
    import matplotlib.pyplot as plt

    assert plt.get_fignums()
    plt.close("all")


def test_rows_are_kept_and_a_guide_of_nothing_has_no_posterior():
    rowwise = arviz_groups(zoo.fit(fitted_ppca_task(), AmortisedFullRank, steps=2))
    assert set(rowwise) == GROUPS - {"log_likelihood"}  # no row can be left out alone
    assert rowwise["posterior"]["z"].shape == (4, 50, 30, 2)
    assert rowwise["posterior_predictive"]["x"].shape == (4, 50, 30, 5)
    assert rowwise["sample_stats"]["lp"].shape == (4, 50)
    summed = arviz_groups(zoo.fit(causes_task(), Empty, objective="enumerate", steps=2))
    assert set(summed) == GROUPS - {"posterior", "sample_stats", "log_likelihood"}
