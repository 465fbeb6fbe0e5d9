"""Densities known up to a constant: the constant, the moments, and exact draws, by another way."""

import math

import pyro
import pytest
import torch
from cases import ERRORS, MODEL_CASES, standard_error
from cases_targets import TARGET_CASES
from joint import close, log_joint
from pyro import poutine
from scipy import integrate

import guides
import zoo
from zoo.evaluation.sbc import simulate_arguments
from zoo.models.targets import double_well_particles
from zoo.models.targets.double_well_particles import DoubleWellParticles
from zoo.models.targets.facing_moons import FacingMoons
from zoo.models.targets.forty_gaussians import FortyGaussians
from zoo.models.targets.lattice_phi4 import LatticePhi4
from zoo.models.targets.many_well import ManyWell
from zoo.protocols import HasEvidence, HasExactDraws, HasMoments

PLANAR = {"facing_moons": FacingMoons, "forty_gaussians": FortyGaussians}
WITHOUT_DRAWS = ("double_well_particles", "lattice_phi4")
DRAWN = [name for name in TARGET_CASES if name not in WITHOUT_DRAWS]
DRAWS = 40_000


def made(name):
    return MODEL_CASES[name].make()


@pytest.mark.parametrize("name", TARGET_CASES)
def test_claims(name):
    model, _ = made(name)
    assert isinstance(model, HasEvidence)
    assert isinstance(model, HasMoments)


@pytest.mark.parametrize("name", PLANAR)
def test_a_density_in_the_plane_by_quadrature(name):
    """log_evidence and posterior_moments, by the trapezoidal rule on a grid in the plane."""
    model, args = made(name)
    assert isinstance(model, PLANAR[name])
    axis = torch.arange(-9.0, 9.0, 0.03)
    points = torch.cartesian_prod(axis, axis)
    mass = log_joint(model, {"x": points}, *args).exp() * 0.03**2
    mean = mass @ points / mass.sum()
    sd = (mass @ (points - mean).square() / mass.sum()).sqrt()
    exact = model.posterior_moments(*args)["x"]
    close(mass.sum().log(), model.log_evidence(*args))
    close(mean, exact[0])
    close(sd, exact[1])


@pytest.mark.parametrize("name", DRAWN)
def test_exact_draws_have_the_exact_moments(name):
    model, args = made(name)
    assert isinstance(model, HasExactDraws)
    torch.manual_seed(0)
    draws = model.exact_draws(DRAWS, *args)["x"]
    mean, sd = model.posterior_moments(*args)["x"]
    assert draws.shape == (DRAWS, *mean.shape)
    squares = (draws - mean).square()
    assert ((draws.mean(0) - mean).abs() < ERRORS * standard_error(draws)).all()
    assert ((squares.mean(0) - sd.square()).abs() < ERRORS * standard_error(squares)).all()


@pytest.mark.parametrize("name", DRAWN)
def test_exact_draws_obey_steins_identity(name):
    """E_p[g(x) d log p / dx + dg / dx] = 0; here with g = sin((x - mean) / sd + 1) of each x."""
    model, args = made(name)
    torch.manual_seed(1)
    draws = model.exact_draws(DRAWS // 4, *args)["x"].requires_grad_()
    mean, sd = model.posterior_moments(*args)["x"]
    (score,) = torch.autograd.grad(log_joint(model, {"x": draws}, *args).sum(), draws)
    inner = (draws.detach() - mean) / sd + 1
    terms = inner.sin() * score + inner.cos() / sd
    assert (terms.mean(0).abs() < ERRORS * standard_error(terms)).all()


def test_the_wells_by_scipys_quadrature():
    model, args = ManyWell(), (torch.tensor([-0.5, -6.0, 1.0]),)

    def density(x):
        return math.exp(0.5 * x + 6 * x**2 - x**4)

    total, mean, square = (
        integrate.quad(lambda x, n=n: x**n * density(x), -4, 4, epsabs=0, epsrel=1e-12)[0]
        for n in range(3)
    )
    evidence = 16 * (math.log(total) + math.log(2 * math.pi) / 2)
    close(float(model.log_evidence(*args)), evidence)
    exact = model.posterior_moments(*args)["x"]
    close(exact[0], torch.tensor([mean / total, 0.0]).repeat(16))
    sd = (square / total - (mean / total) ** 2) ** 0.5
    close(exact[1], torch.tensor([sd, 1.0]).repeat(16))


def test_the_particles_by_weights_of_a_normal():
    """Constant and mean square, from 300,000 draws of the base and the factor at each."""
    model, args = made("double_well_particles")
    assert isinstance(model, DoubleWellParticles)
    torch.manual_seed(0)
    with pyro.plate("draws", 300_000):
        nodes = poutine.trace(model).get_trace(*args).nodes
    x, weight = nodes["x"]["value"], nodes["target"]["fn"].log_factor.exp()
    constant = model.log_evidence(*args).exp()
    assert (weight.mean() - constant).abs() < ERRORS * standard_error(weight)
    mean, sd = model.posterior_moments(*args)["x"]
    excess = weight[:, None] * (x.square() - sd.square())
    assert (excess.mean(0).abs() < ERRORS * standard_error(excess)).all()
    assert standard_error(weight) < 0.01 * constant
    close(mean, torch.zeros(8))


def test_the_particles_integral_does_not_depend_on_its_grid(monkeypatch):
    args = (torch.tensor([-4.0, 0.9, 4.0]),)
    evidence = DoubleWellParticles().log_evidence(*args)
    monkeypatch.setattr(double_well_particles, "CELLS", 320)
    monkeypatch.setattr(double_well_particles, "DISTANCES", 130)
    close(DoubleWellParticles().log_evidence(*args), evidence)


def test_every_well_is_drawn_as_often_as_it_weighs():
    model, args = ManyWell(), (torch.tensor([-0.5, -6.0, 1.0]),)
    torch.manual_seed(2)
    wells = model.exact_draws(4000, *args)["x"][:, ::2]
    x = torch.linspace(-4, 4, 40_001)
    mass = (0.5 * x + 6 * x**2 - x**4).exp()
    share = (mass[x > 0].sum() / mass.sum()).item()
    right = (wells > 0).double().flatten()
    assert abs(right.mean() - share) < ERRORS * standard_error(right)


def test_exact_draws_stand_for_the_posterior():
    """Two-sample metrics take them; without them the drawn base would stand in their place."""
    fit = zoo.fit(zoo.load("facing_moons"), guides.MeanField, steps=300, lr=0.05, compile=False)
    found = zoo.evaluate(fit, metrics="two_sample", draws=300)
    assert {"sliced_wasserstein_1", "mmd_p", "classifier_knn", "coverage_90"} <= set(found)
    assert found["classifier_knn"].value > 0.6


def test_nothing_is_simulated_from_a_factor():
    fit = zoo.fit(zoo.load("facing_moons"), guides.MeanField, steps=2, compile=False)
    with pytest.raises(ValueError, match="the factor 'target'"):
        simulate_arguments(fit.program, fit.task.split("train"))
    found = zoo.evaluate(fit, metrics=["vsbc_p", "bdmc"], draws=20)
    assert "the factor 'target'" in found.skipped["vsbc_p"]
    assert not {"bdmc_lower", "bdmc_upper", "bdmc_gap"} & set(found)


def test_the_funnel_has_two_sizes():
    for data, size in (("neals_funnel", 9), ("neals_funnel_2", 1)):
        task = zoo.load("neals_funnel", data=data)
        assert task.build().features == size


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="Expected shape of shape"):
        FacingMoons()(torch.ones(2))
    with pytest.raises(ValueError, match="Expected means of shape"):
        FortyGaussians()(torch.ones(3, 2), torch.ones(4))
    with pytest.raises(ValueError, match="Expected coefficients of shape"):
        ManyWell()(torch.ones(2))
    with pytest.raises(ValueError, match=r"Expected c > 0; got -1\."):
        ManyWell().log_evidence(torch.tensor([0.0, 0.0, -1.0]))
    with pytest.raises(ValueError, match=r"Expected k > 0; got -1\."):
        DoubleWellParticles().log_evidence(torch.tensor([0.0, -1.0, 4.0]))
    with pytest.raises(ValueError, match="wells >= 1; got 0"):
        ManyWell(0)


def test_a_lattice_of_two_sites_by_another_quadrature():
    model, coefficients = LatticePhi4(around=1, along=2), torch.tensor([-1.0, 0.3])

    def density(x, y):
        own = sum(0.5 * s**2 - 0.3 * s**4 for s in (x, y))
        return math.exp(own - (x - y) ** 2 / 2)

    def integral(of):
        return integrate.dblquad(of, -5, 5, -5, 5, epsabs=1e-12, epsrel=1e-12)[0]

    total = integral(density)
    sd = (integral(lambda x, y: x**2 * density(x, y)) / total) ** 0.5
    assert float(model.log_evidence(coefficients)) == pytest.approx(math.log(total), rel=1e-8)
    _, found = model.posterior_moments(coefficients)["x"]
    assert found.tolist() == pytest.approx([sd, sd], rel=1e-8)


def test_a_lattice_by_weighted_draws():
    """12 sites, and neighbours around as well as along."""
    model, coefficients = LatticePhi4(around=3, along=4), torch.tensor([0.5, 0.3])
    draws = 0.8 * torch.randn(200_000, 12)
    log_q = torch.distributions.Normal(0.0, 0.8).log_prob(draws).sum(-1)
    w = (model._log_density(draws, coefficients) - log_q - model.log_evidence(coefficients)).exp()
    assert abs(w.mean() - 1) < ERRORS * standard_error(w)
    _, sd = model.posterior_moments(coefficients)["x"]
    for site in (0, 5):
        square = w * draws[:, site] ** 2
        assert abs(square.mean() - sd[site] ** 2) < ERRORS * standard_error(square)
