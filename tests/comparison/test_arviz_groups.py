"""ArviZ files: every group, readable, and good for ArviZ's own comparison and plots."""

import arviz
import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import causes_task, fitted_ppca_task

import zoo
from guides import AmortisedFullRank, Empty, MeanField
from zoo.arviz_compat import LEGACY, read_netcdf, write_netcdf
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


def test_every_group_is_there_and_leads_with_chain_and_draw(files):
    data = read_netcdf(files["right"])
    assert groups_of(data) == GROUPS
    shapes = {
        "posterior": ("mean", (1, 200)),
        "posterior_predictive": ("x", (1, 200, 6)),
        "log_likelihood": ("x", (1, 200, 6)),
        "sample_stats": ("lp", (1, 200)),
        "prior": ("mean", (1, 200)),
        "prior_predictive": ("x", (1, 200, 6)),
        "observed_data": ("x", (6,)),
    }
    for group, (name, shape) in shapes.items():
        assert data[group][name].shape == shape
    assert data["observed_data"]["x"].values.tolist() == pytest.approx(X.tolist())


def test_the_densities_are_those_of_the_draws(files):
    """lp of a normal mean, given its draws; the weights are lp - log q."""
    groups = arviz_groups(zoo.fit(right, MeanField, X, steps=50))
    stats = groups["sample_stats"]
    assert stats["log_weight"] == pytest.approx(stats["lp"] - stats["log_q"])
    assert groups["prior"]["mean"].std() == pytest.approx(2.0, rel=5 / 20**0.5 / 2)
    spread = groups["prior_predictive"]["x"].std()
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
    assert set(rowwise) == GROUPS
    assert rowwise["posterior"]["z"].shape == (1, 200, 30, 2)
    assert rowwise["posterior_predictive"]["x"].shape == (1, 200, 30, 5)
    assert rowwise["sample_stats"]["lp"].shape == (1, 200)
    summed = arviz_groups(zoo.fit(causes_task(), Empty, objective="enumerate", steps=2))
    assert set(summed) == GROUPS - {"posterior", "sample_stats"}
