"""Eight schools against published values and against brute-force quadrature over mu and tau."""

import math

import pytest
import torch
from joint import close
from pyro import poutine

from zoo.models.hierarchical.eight_schools import EightSchools

IDENTITY = 1e-8
PUBLISHED_ERROR = 0.03


@pytest.fixture
def data():
    sigma = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    return sigma, torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])


@pytest.fixture(params=[True, False], ids=["centred", "non-centred"])
def model(request):
    return EightSchools(centred=request.param)


def effects(model):
    return "theta" if model.centred else "eta"


def log_joint(model, data, values):
    """Log joint with particles in front: mu and tau (G, 1), effects (G, 8) -> (G,)."""
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*data)
    trace.compute_log_prob()
    schools = trace.nodes["y"]["log_prob"] + trace.nodes[effects(model)]["log_prob"]
    top = trace.nodes["mu"]["log_prob"] + trace.nodes["tau"]["log_prob"]
    return top.squeeze(-1) + schools.sum(-1)


def conditional(model, data, mu, tau):
    """Mean and variance of the effects given mu and tau, by adding up precisions."""
    sigma, y = data
    if model.centred:
        variance = 1 / (tau**-2 + sigma**-2)
        return variance * (mu / tau**2 + y / sigma**2), variance
    variance = 1 / (1 + tau**2 / sigma**2)
    return variance * tau * (y - mu) / sigma**2, variance


def brute_force(model, data):
    """Trapezoid rule over mu and log tau of the model's own joint, the effects divided out."""
    step = 0.2
    grid = torch.meshgrid(torch.arange(-45.0, 46.0), torch.arange(-30, 12, step), indexing="ij")
    mu, tau = grid[0].reshape(-1, 1), grid[1].exp().reshape(-1, 1)
    mean, variance = conditional(model, data, mu, tau)
    known = torch.distributions.Normal(mean, variance.sqrt()).log_prob(mean).sum(-1)
    joint = log_joint(model, data, {"mu": mu, "tau": tau, effects(model): mean})
    return joint - known + (step * tau.squeeze(-1)).log(), mu, tau, mean, variance


def test_evidence_equals_brute_force(model, data):
    exact = model.log_evidence(*data)
    assert exact.shape == ()
    close(exact, brute_force(model, data)[0].logsumexp(0))


def test_moments_equal_brute_force(model, data):
    log_weights, mu, tau, mean, variance = brute_force(model, data)
    weights = log_weights.softmax(0)[:, None]
    none = torch.zeros_like(mu)
    sites = {"mu": (mu, none), "tau": (tau, none), effects(model): (mean, variance)}
    exact = model.posterior_moments(*data)
    assert list(exact) == list(sites)
    for site, (values, spread) in sites.items():
        first = (weights * values).sum(0)
        second = (weights * (spread + (values - first) ** 2)).sum(0)
        close(exact[site][0], first.reshape(exact[site][0].shape))
        close(exact[site][1], second.sqrt().reshape(exact[site][1].shape))


def test_published_means(data):
    moments = EightSchools().posterior_moments(*data)
    for value, published in (
        (moments["mu"][0], 4.41),
        (moments["tau"][0], 3.60),
        (moments["theta"][0][0], 6.15),
    ):
        assert abs(value.item() - published) < 5 * PUBLISHED_ERROR


def test_both_forms_have_one_evidence_and_one_mean_effect(data):
    centred, other = EightSchools(), EightSchools(centred=False)
    close(centred.log_evidence(*data), other.log_evidence(*data))
    _, mu, tau, mean, _ = brute_force(other, data)
    weights = brute_force(other, data)[0].softmax(0)[:, None]
    theta = (weights * (mu + tau * mean)).sum(0)
    close(centred.posterior_moments(*data)["theta"][0], theta)


def test_tweedie_formula(data):
    sigma, y = data
    moments = EightSchools().posterior_moments(sigma, y)
    y = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(EightSchools().log_evidence(sigma, y), y)
    # Tweedie's formula: E[theta | y] = y + sigma^2 d log p(y) / dy.
    close(y.detach() + sigma.square() * slope, moments["theta"][0])


def test_particles_broadcast(model, data):
    torch.manual_seed(0)
    mu, tau = torch.randn(5, 1), torch.rand(5, 1) + 0.1
    values = {"mu": mu, "tau": tau, effects(model): torch.randn(5, 8)}
    loop = [
        log_joint(model, data, {site: value[i : i + 1] for site, value in values.items()})
        for i in range(5)
    ]
    close(log_joint(model, data, values), torch.cat(loop))


def test_sites_and_plate(model, data):
    trace = poutine.trace(model).get_trace(*data)
    assert trace.nodes["mu"]["cond_indep_stack"] == ()
    assert trace.nodes["tau"]["cond_indep_stack"] == ()
    for site in (effects(model), "y"):
        (frame,) = trace.nodes[site]["cond_indep_stack"]
        assert (frame.name, frame.size, frame.dim) == ("schools", 8, -1)


def test_non_centred_theta_is_a_deterministic_site(data):
    nodes = poutine.trace(EightSchools(centred=False)).get_trace(*data).nodes
    theta = nodes["mu"]["value"] + nodes["tau"]["value"] * nodes["eta"]["value"]
    assert nodes["theta"]["infer"]["_deterministic"]
    close(nodes["theta"]["value"], theta)


def test_single_precision_is_kept(data):
    sigma, y = (value.float() for value in data)
    evidence = EightSchools().log_evidence(sigma, y)
    assert evidence.dtype == torch.float32
    assert evidence.item() == pytest.approx(
        EightSchools().log_evidence(*data).item(), rel=torch.finfo(torch.float32).eps
    )
    assert EightSchools().posterior_moments(sigma, y)["tau"][1].dtype == torch.float32


def test_huge_effects_stay_finite(data):
    sigma, y = data
    evidence = EightSchools().log_evidence(sigma, 1e4 * y)
    assert math.isfinite(evidence.item())
    assert evidence < EightSchools().log_evidence(sigma, y)


@pytest.mark.parametrize("broken", ["sigma", "y"])
def test_seven_schools_are_refused(model, data, broken):
    arguments = dict(zip(("sigma", "y"), data, strict=True))
    arguments[broken] = arguments[broken][:7]
    with pytest.raises(ValueError, match=rf"Expected {broken} of shape \(8,\); got \(7,\)"):
        model(**arguments)
