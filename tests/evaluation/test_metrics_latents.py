"""Latent health on linear Gaussian models, where KL, variance and information are known."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import causes_task, exact_guide, fitted_ppca_task
from torch import nn
from torch.distributions import Normal, kl_divergence

import zoo
from guides import (
    AmortisedDiscrete,
    AmortisedIAF,
    AmortisedLayers,
    AmortisedNormal,
    BottomUp,
    MeanField,
    PerDatum,
)
from guides.parts.plates import positive
from guides.per_datum_full_rank import PerDatumFullRank
from zoo.evaluation.latent_usage import latent_usage

IDENTITY = 1e-8


class Gaussian(nn.Module):
    """z ~ N(0, I), x ~ N(slope z, 1) by dimension; its guide below is exact at strength 1."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(slope)

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.slope * z, 1.0).to_event(1), obs=x)


class Exact(nn.Module):
    def __init__(self, slope, shift=0.0):
        super().__init__()
        self.slope, self.shift = nn.Parameter(slope), shift

    def moments(self, x):
        precision = 1 + self.slope**2
        return self.slope * x / precision + self.shift, precision.rsqrt()

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(*self.moments(x)).to_event(1))


def health(slope, rows=150, shift=0.0, **options):
    slope = torch.as_tensor(slope)
    x = (1 + slope**2).sqrt() * torch.randn(rows, 2)
    fit = zoo.fit(Gaussian(slope), Exact(slope, shift), x, steps=1, lr=1e-30)
    return fit, x, latent_usage(fit.program, (x,), rows=rows, permutations=100, **options)


@torch.no_grad()
def by_quadrature(guide, x):
    """Mutual information of the mixture over rows; dimension 0 alone depends on the row."""
    loc, scale = guide.moments(x)
    q = Normal(loc[:, 0], scale[0])
    grid = torch.linspace(-12, 12, 8001)
    each = q.log_prob(grid[:, None])
    mixture = each.logsumexp(1, keepdim=True) - math.log(len(x))
    return ((each.exp() * (each - mixture)).sum(0) * (grid[1] - grid[0])).mean().item()


def within(metric, truth):
    return abs(metric.value - truth) < 5 * metric.se


def test_kl_and_its_dimensions_are_exact():
    fit, x, found = health([2.0, 0.5])
    loc, scale = fit.guide.moments(x)
    truth = kl_divergence(Normal(loc, scale), Normal(0.0, 1.0)).mean(0).detach()
    assert within(found.kl, truth.sum().item())
    value, error = found.sites["z"].kl_per_dimension
    assert ((value - truth).abs() < 5 * error).all()
    assert within(found.sites["z"].kl, truth.sum().item())


def test_the_closed_form_is_taken_where_the_guide_declares_independence():
    fit = zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=20)
    (x,) = fit.task.split("test")
    (moments,) = fit.guide.encoder((x,))
    loc, scale = moments.detach().chunk(2, dim=-1)
    truth = kl_divergence(Normal(loc, positive(scale)), Normal(0.0, 1.0))
    found = latent_usage(fit.program, (x,), draws=5, permutations=20)
    value, error = found.sites["z"].kl_per_dimension
    torch.testing.assert_close(value, truth.mean(0), rtol=1e-6, atol=1e-6)
    assert found.sites["z"].kl.value == pytest.approx(truth.sum(-1).mean().item(), rel=1e-6)
    assert error.max() < IDENTITY


def test_a_full_covariance_has_a_kl_but_no_dimensions():
    task = fitted_ppca_task()
    fit = zoo.fit(task, exact_guide(task), steps=1, lr=1e-30)
    (x,) = task.split("test")
    prior = dist.MultivariateNormal(torch.zeros(2), torch.eye(2))
    truth = kl_divergence(fit.model.posterior(x)["z"], prior).mean().item()
    found = latent_usage(fit.program, (x,), draws=100, permutations=20)
    assert within(found.sites["z"].kl, truth)
    assert found.sites["z"].kl_per_dimension is None


def test_variance_of_means_and_active_units():
    fit, x, found = health([2.0, 0.02], draws=200)
    loc, _ = fit.guide.moments(x)
    value, error = found.sites["z"].mean_variance
    assert ((value - loc.var(0).detach()).abs() < 5 * error).all()
    assert found.sites["z"].active.value == 1
    assert "1 of 2 dimensions move with x" in found.verdict


def test_mutual_information_of_the_rows_by_quadrature():
    fit, x, found = health([2.0, 0.0], rows=40, draws=50)
    truth = by_quadrature(fit.guide, x)
    assert within(found.mutual_information, truth)
    assert truth > 20 * found.mutual_information.se


def test_mutual_information_ends_at_log_n():
    _, _, found = health([500.0, 0.0], rows=20)
    assert found.mutual_information.value == pytest.approx(math.log(20), abs=0.05)
    assert found.mutual_information.value <= math.log(20) + IDENTITY
    assert "at most log 20 = 3.00" in found.mutual_information.note


def test_a_collapsed_posterior_is_called_so():
    _, _, found = health([0.0, 0.0])
    assert found.kl.value == pytest.approx(0, abs=IDENTITY)
    assert found.mutual_information.value == pytest.approx(0, abs=IDENTITY)
    assert found.sites["z"].active.value == 0
    assert "z collapsed: q(z|x) is the prior" in found.verdict


def test_the_aggregated_posterior_of_the_exact_guide_is_the_prior():
    _, _, right = health([1.5, 0.7])
    assert right.sites["z"].mmd[1].value > 0.01
    assert "looks like the prior" in right.verdict
    _, _, wrong = health([1.5, 0.7], shift=1.0)
    assert wrong.sites["z"].mmd[1].value < 0.01
    assert wrong.sites["z"].mmd[0].value > 5 * wrong.sites["z"].mmd[0].se
    assert "is not the prior" in wrong.verdict


def test_two_layers_add_up():
    def model(x):
        with pyro.plate("data", len(x)):
            top = pyro.sample("top", dist.Normal(x.new_zeros(()), 1.0))
            low = pyro.sample("low", dist.Normal(top, 0.5))
            pyro.sample("x", dist.Normal(low, 1.0), obs=x)

    x = torch.randn(30)
    fit = zoo.fit(model, PerDatum, x, steps=50)
    found = latent_usage(fit.program, (x,), draws=20, permutations=20)
    parts = [site.kl for site in found.sites.values()]
    total = sum(part.value for part in parts)
    noise = math.hypot(found.kl.se, *(part.se for part in parts))
    assert set(found.sites) == {"top", "low"}
    assert abs(found.kl.value - total) < 5 * noise
    assert {"kl/top", "active_units/low", "mmd_p/low"} < set(found.metrics())


def chain(x):
    """top ~ N(0, 1), low ~ N(top, 1/2), x ~ N(low, 1)."""
    with pyro.plate("data", len(x)):
        top = pyro.sample("top", dist.Normal(x.new_zeros(()), 1.0))
        low = pyro.sample("low", dist.Normal(top, 0.5))
        pyro.sample("x", dist.Normal(low, 1.0), obs=x)


class Ordered(nn.Module):
    """A normal of both latents in a chain, drawn from the top down or from the data up.

    The first is N(x/2, 0.6^2), the second N(0.8 first, 0.3^2).
    """

    def __init__(self, *names):
        super().__init__()
        self.names, self.unused = names, nn.Parameter(torch.zeros(()))

    def forward(self, x):
        first, second = self.names
        with pyro.plate("data", len(x)):
            value = pyro.sample(first, dist.Normal(x / 2, 0.6))
            pyro.sample(second, dist.Normal(0.8 * value + 0 * self.unused, 0.3))

    def joint(self, x):
        """Means and covariance in the order of `names`."""
        loc = torch.stack([x / 2, 0.4 * x], -1)
        low = torch.tensor([[0.6, 0.0], [0.8 * 0.6, 0.3]])
        return dist.MultivariateNormal(loc, low @ low.T)


PRIOR_OF_CHAIN = torch.tensor([[1.0, 1.0], [1.0, 1.25]])  # covariance of (top, low)


def test_the_kl_of_each_site_is_exact_where_the_guide_follows_the_model():
    x = torch.randn(30)
    fit = zoo.fit(chain, Ordered("top", "low"), x, steps=1, lr=1e-30)
    found = latent_usage(fit.program, (x,), draws=200, permutations=20)
    top = kl_divergence(Normal(x / 2, 0.6), Normal(0.0, 1.0)).mean().item()
    # KL(N(0.8 t, 0.3) || N(t, 0.5)) with E t^2 = (x/2)^2 + 0.36
    square = 0.04 * ((x / 2) ** 2 + 0.36).mean().item()
    low = math.log(0.5 / 0.3) + (0.09 + square) / 0.5 - 0.5
    assert within(found.sites["top"].kl, top)
    assert within(found.sites["low"].kl, low)
    assert within(found.kl, top + low)


def test_no_site_has_a_kl_where_the_guide_draws_from_the_data_up():
    """E[log q(low) - log p(low | top)] is no KL there; the sum over the sites is exact."""
    x = torch.randn(30)
    guide = Ordered("low", "top")
    fit = zoo.fit(chain, guide, x, steps=1, lr=1e-30)
    found = latent_usage(fit.program, (x,), draws=200, permutations=20)
    flipped = PRIOR_OF_CHAIN.flip(0, 1)
    truth = kl_divergence(guide.joint(x), dist.MultivariateNormal(torch.zeros(2), flipped))
    assert within(found.kl, truth.mean().item())
    for name, site in found.sites.items():
        assert site.kl is None
        assert site.kl_per_dimension is None
        assert f"kl/{name}" not in found.metrics()


@pytest.mark.parametrize(
    ("model", "guide", "objective"),
    [("hvae", BottomUp, "trace"), ("sigmoid_belief", AmortisedLayers, "rloo")],
)
def test_recognition_networks_have_no_kl_of_a_layer_given_the_one_above(model, guide, objective):
    fit = zoo.fit(zoo.load(model), guide, objective=objective, steps=1)
    found = latent_usage(fit.program, fit.task.split("test"), rows=20, draws=4, permutations=20)
    assert [site.kl for site in found.sites.values()] == [None, None]
    assert math.isfinite(found.kl.value)


@pytest.mark.parametrize("guide", [PerDatumFullRank, AmortisedIAF])
def test_flows_and_joint_guides_have_metrics(guide):
    task = fitted_ppca_task()
    fit = zoo.fit(task, guide, steps=1)
    found = latent_usage(fit.program, task.split("train"), rows=40, draws=4, permutations=20)
    assert (found.sites["z"].kl is None) == (guide is PerDatumFullRank)
    assert all(math.isfinite(metric.value) for metric in found.metrics().values())
    information = found.mutual_information
    assert -5 * information.se < information.value < math.log(40) + IDENTITY


def test_discrete_latents_have_metrics():
    task = causes_task()
    fit = zoo.fit(task, AmortisedDiscrete, objective="rloo", steps=1)
    found = latent_usage(fit.program, task.split("train"), draws=4, permutations=20)
    (site,) = found.sites.values()
    assert len(site.kl_per_dimension[0]) == 3
    assert site.kl.value >= 0


def test_models_with_a_loop_over_draws():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z[:, 0], 1.0), obs=x)

    x = torch.randn(10)
    fit = zoo.fit(model, PerDatum, x, steps=1)
    found = latent_usage(fit.program, (x,), draws=3, permutations=20)
    truth = kl_divergence(
        Normal(0.0, fit.guide.unconstrained_scale[0].exp().log1p()), Normal(0.0, 1.0)
    )
    assert not fit.latents.vectorises
    assert found.sites["z"].kl.value == pytest.approx(truth.sum(-1).mean().item(), rel=0.05)


def test_shared_latents_are_refused():
    def model(x):
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    fit = zoo.fit(model, MeanField, torch.randn(5), steps=1)
    with pytest.raises(ValueError, match=r"\['loc'\] are shared by all rows"):
        latent_usage(fit.program, (torch.randn(5),))
