"""Deep Boltzmann machines and belief nets: exact sums, and bounds that meet them where exact."""

import pytest
import torch
from cases import ERRORS, IDENTITY
from model_case import pixels
from pyro import poutine
from small_machines import exact_draws, left_chances, log_total
from small_tasks import small_data

import guides
import zoo
from zoo.isolation import isolated
from zoo.models.energies.dbm import DBM
from zoo.models.energies.dbn import DBN, stacked
from zoo.models.energies.rbm import RBM
from zoo.models.exact_sums import bernoulli_log_likelihood, states
from zoo.task import Task

SIZES = [(2, 3), (3, 2)]  # top layer first: the sum goes over the smaller one


def made(kind, layers, spread=1.0, features=4):
    """A model with strong random weights."""
    with isolated(seed=2):
        model = kind(features, layers)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(spread * torch.randn_like(parameter))
    return model


def scored_states(model, x):
    """The summed score of all sites at every joint state of the latents, (states, rows)."""
    names = [name for name in ("h2", "h1") if name in sites_at(model, x)]
    sizes = [sites_at(model, x)[name].shape[-1] for name in names]
    found = []
    for state in states(sum(sizes)):
        parts = dict(zip(names, state.split(sizes), strict=True))
        given = {name: part.expand(len(x), -1) for name, part in parts.items()}
        trace = poutine.trace(poutine.condition(model, given)).get_trace(x)
        trace.compute_log_prob()
        found.append(sum(node["log_prob"] for node in trace.nodes.values() if "log_prob" in node))
    return torch.stack(found)


def sites_at(model, x):
    nodes = poutine.trace(model).get_trace(x).nodes
    return {name: node["value"] for name, node in nodes.items() if node["type"] == "sample"}


def close(one, other):
    torch.testing.assert_close(one, other, rtol=IDENTITY, atol=IDENTITY)


def centred_dbm(features, layers):
    return DBM(features, layers, torch.linspace(0.2, 0.7, features), centred=True)


@pytest.mark.parametrize("layers", SIZES)
@pytest.mark.parametrize("kind", [DBM, DBN, centred_dbm])
def test_the_sites_score_the_energy(kind, layers):
    """Summed over the latents, and less log Z from all joint states, it is log p(x)."""
    model, x = made(kind, layers), states(4)
    with torch.no_grad():
        total = scored_states(model, x).logsumexp(0) - log_total(model.machine)
        close(total, model.log_evidence(x))
        close(model.log_evidence(x).logsumexp(0), torch.tensor(0.0))


@pytest.mark.parametrize("kind", [DBM, DBN])
def test_nothing_is_said_of_posterior_moments(kind):
    from zoo.protocols import HasMoments

    assert not isinstance(made(kind, (2, 3)), HasMoments)  # no posterior_moments


@pytest.mark.parametrize("kind", [DBM, DBN])
def test_what_the_sites_hold_at_draws_of_the_left_units_is_the_model(kind):
    model, count = made(kind, (2, 3)), 50_000
    with torch.no_grad():
        x = model.sites_of(exact_draws(model.machine, count))["x"]
        exact = model.log_evidence(states(4)).exp() @ states(4)
    assert ((x.mean(0) - exact).abs() < ERRORS * (exact * (1 - exact) / count).sqrt()).all()


def task(kind, layers=(2, 3), **model):
    x = pixels(60)[0][:, :4]
    data = small_data("bits", x[:30], x[30:40], x[40:])
    return Task("deep", lambda: made(kind, layers, **model), data)


@pytest.mark.parametrize(
    ("kind", "guide"),
    [
        (DBM, guides.CoordinateAscent),
        (DBM, guides.AmortisedLayers),
        (DBN, guides.AmortisedLayers),
        (DBN, guides.AmortisedDiscrete),
    ],
)
def test_the_bound_is_below_the_exact_evidence(kind, guide):
    fit = zoo.fit(task(kind), guide, objective="pcd", steps=2, lr=1e-6)
    found = zoo.evaluate(fit, metrics=["elbo", "log_evidence", "exact_log_evidence", "gap"])
    exact, estimate = found["exact_log_evidence"], found["log_evidence"]
    assert found["gap"].value > ERRORS * found["gap"].se
    assert abs(estimate.value - exact.value) < ERRORS * estimate.se


def test_mean_field_is_exact_where_layers_are_independent():
    """Without weights to the top layer the posterior has independent units."""
    given = task(DBM)
    model = given.build()
    with torch.no_grad():
        model.top_weight.zero_()
    free = Task("deep", lambda: model, given.data)
    fit = zoo.fit(free, guides.CoordinateAscent, objective="pcd", steps=1, lr=1e-12)
    found = zoo.evaluate(fit, metrics=["elbo", "exact_log_evidence", "gap"])
    assert found["gap"].value == pytest.approx(0, abs=1e-6)


def test_an_affine_guide_is_exact_for_one_hidden_unit():
    """The log-odds of a single unit given x are affine in x."""
    model = made(DBN, (2, 1))
    given = task(DBN)
    held = Task("deep", lambda: model, given.data)
    fit = zoo.fit(held, guides.AmortisedLayers, objective="pcd", steps=1, freeze_model=True)
    on, off = torch.ones(1, 1), torch.zeros(1, 1)
    with torch.no_grad():
        network = fit.guide.networks[0][0]
        network.weight.copy_(fit.model.decode(on) - fit.model.decode(off))
        prior = fit.model.machine.free_energy(off) - fit.model.machine.free_energy(on)
        empty = torch.zeros(1, 4)
        likelihoods = [bernoulli_log_likelihood(empty, fit.model.decode(h)) for h in (on, off)]
        network.bias.copy_(prior + (likelihoods[0] - likelihoods[1]).squeeze(1))
    found = zoo.evaluate(fit, metrics=["elbo", "exact_log_evidence", "gap"])
    assert found["gap"].value == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", [DBM, centred_dbm])
def test_coordinate_ascent_raises_the_bound_with_every_sweep(kind):
    model, (x,) = made(kind, (3, 4)), pixels(20)
    x, bounds = x[:, :4], []
    for sweeps in (1, 2, 5, 50):
        logits = model.mean_field(x, sweeps)
        bounds.append(float(bound(model, x, logits).sum().detach()))
    assert bounds == sorted(bounds)
    logits = {name: v.detach().requires_grad_() for name, v in logits.items()}
    slopes = torch.autograd.grad(bound(model, x, logits).sum(), list(logits.values()))
    assert all(slope.abs().max() < 1e-6 for slope in slopes)


def bound(model, x, logits):
    """The bound of each row less log Z, its expectations in closed form: E is bilinear."""
    m1, m2 = torch.sigmoid(logits["h1"]), torch.sigmoid(logits["h2"])
    energy = model.machine.energy(torch.cat([x, m2], -1), m1)
    entropy = sum(
        torch.distributions.Bernoulli(logits=v).entropy().sum(-1) for v in logits.values()
    )
    return entropy - energy


def test_coordinate_ascent_wants_a_model_that_knows_its_updates():
    with pytest.raises(zoo.PairingError, match="by the model's own method mean_field"):
        zoo.fit(zoo.load("dbn"), guides.CoordinateAscent, objective="pcd", steps=1)


def test_a_stack_of_two_machines():
    """Its directed weights are the first one's; a copy, so that these stay as they are."""
    first, second = RBM(5, 3), RBM(3, 4)
    net = stacked(first, second)
    h = states(3)
    close(net.decode(h), first.machine.left_logits(h))
    close(net.machine.free_energy(h), second.machine.free_energy(h))
    with pytest.raises(ValueError, match="second RBM of 3 units"):
        stacked(first, RBM(2, 4))


def test_a_tied_stack_is_the_first_machine():
    """A second RBM that is the first one turned over implies the same distribution of pixels."""
    first = made(lambda d, k: RBM(d, k), 3)
    second = RBM(3, 4)
    with torch.no_grad():
        second.weight.copy_(first.weight.mT)
        second.bias.copy_(first.hidden_bias)
        second.hidden_bias.copy_(first.bias)
        net = stacked(first, second)
        close(net.log_evidence(states(4)).exp(), left_chances(first.machine))


def test_a_stack_of_centred_machines():
    """The machines they are, not the numbers by which they are written."""
    first = made(lambda d, k: RBM(d, k, torch.full((d,), 0.2), centred=True), 3)
    second = made(lambda d, k: RBM(d, k, torch.full((d,), 0.4), centred=True), 2, features=3)
    with torch.no_grad():
        net, h = stacked(first, second), states(3)
        close(net.decode(h), first.machine.left_logits(h))
        close(net.machine.free_energy(h), second.machine.free_energy(h))


@pytest.mark.parametrize("kind", [DBM, DBN])
def test_two_layers_are_expected(kind):
    with pytest.raises(ValueError, match="Expected two layers"):
        kind(6, (4,))
