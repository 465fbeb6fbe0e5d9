"""Learned control variates for Bernoulli latents: their formulas, and how they are trained."""

import pytest
import torch
from cases import IDENTITY, clock, relative_error, scatter
from network_of_causes import ROWS, K, causes
from test_estimators_binary import below, network_variance
from toys import LOGITS, bernoulli_toy, curved, exact_toy_gradient, gradient_under, linear

from zoo.isolation import isolated
from zoo.latents import describe
from zoo.models.exact_sums import states
from zoo.objectives import LeaveOneOut
from zoo.objectives.bernoulli_draws import BernoulliDraws
from zoo.objectives.double_cv import DoubleControlVariates
from zoo.objectives.rodeo import RODEO, stein

COEFFICIENTS = {"a", "coefficients"}


@torch.no_grad()
def zero(state):
    """Takes the control variates away: the coefficients that multiply them."""
    for name in COEFFICIENTS & {name for name, _ in state.named_parameters()}:
        state.get_parameter(name).zero_()


def train(program):
    """Trains an objective's own parameters from where training starts them."""
    zero(program.state)
    optimizer = torch.optim.Adam(program.state.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        program.backward(clock(), None, ROWS.repeat(50, 1))
        optimizer.step()


@pytest.mark.parametrize("kind", [DoubleControlVariates, RODEO])
@pytest.mark.parametrize("particles", [2, 3])
def test_without_its_control_variates_it_is_leave_one_out(kind, particles):
    toy = bernoulli_toy(curved, LOGITS)
    for _ in range(10):
        unused, u = torch.rand(3), torch.rand(particles, 3)
        plain, _ = gradient_under(toy, LeaveOneOut(particles), [u])
        found, _ = gradient_under(toy, kind(particles), [unused, u], zero)
        assert (found - plain).abs().max() <= IDENTITY


@pytest.mark.parametrize("particles", [2, 4])
def test_double_control_variates_leave_no_noise_of_a_linear_cost(particles):
    toy, exact = bernoulli_toy(linear, LOGITS), exact_toy_gradient(linear, LOGITS)
    for _ in range(10):
        noise = [torch.rand(3), torch.rand(particles, 3)]
        found, _ = gradient_under(toy, DoubleControlVariates(particles), noise, set_a(-1.0))
        assert relative_error(found, exact) < IDENTITY


def set_a(value):
    def change(state):
        with torch.no_grad():
            state.a.fill_(value)

    return change


def test_the_coefficient_descends_the_squared_gradient():
    """The square is a parabola in a: its slope at 0 is half the difference of +1 and -1."""
    toy, noise = bernoulli_toy(curved, LOGITS), [torch.rand(3), torch.rand(2, 3)]
    square = {}
    for a in (-1.0, 0.0, 1.0):
        found, program = gradient_under(toy, DoubleControlVariates(), noise, set_a(a))
        square[a] = found.square().mean()
        if a == 0:
            slope = program.state.a.grad
    assert slope == pytest.approx(((square[1.0] - square[-1.0]) / 2).item(), rel=IDENTITY)


@pytest.mark.parametrize("move", ["a", "last.bias", "first.weight", "coefficients"])
def test_own_parameters_descend_the_squared_gradient(move):
    """A small step against the slope lowers the squared gradient, as much as the slope says."""
    objective = DoubleControlVariates() if move == "a" else RODEO(hidden=6)
    toy, noise = bernoulli_toy(curved, LOGITS), [torch.rand(3), torch.rand(2, 3)]
    first, program = gradient_under(toy, objective, noise)
    slope = program.state.get_parameter(move).grad.clone()

    def step(size):
        def change(state):
            with torch.no_grad():
                state.get_parameter(move).sub_(size * slope)

        return change

    squares = [
        gradient_under(toy, objective, noise, step(size))[0].square().mean()
        for size in (1e-5, -1e-5)
    ]
    assert slope.abs().max() > 0
    difference = (squares[1] - squares[0]) / 2e-5
    assert difference.item() == pytest.approx((slope**2).sum().item(), rel=1e-4)
    assert squares[0] < first.square().mean() < squares[1]


def stein_by_definition(network, own, other, latents):
    """A h and A(h~ s) at each row's x, by their definition: flip one coordinate, score anew."""
    mu, x = own["mu"], own["x"]

    def line(y):
        return ((y - other["x"]) * other["grad_f"]).sum(-1)

    def values(y):
        h, h_tilde = network(other["f"], line(y))
        return h, h_tilde[:, None] * (y - mu)

    h, vector = values(x)
    ah, ah_vector = torch.zeros_like(h), torch.zeros_like(vector)
    for i in range(K):
        flipped = torch.where(torch.arange(K) == i, 1 - x, x)
        chance = torch.where(x[:, i] == 1, 1 - mu[:, i], mu[:, i])
        there, there_vector = values(flipped)
        ah = ah + chance * (there - h) / K
        ah_vector = ah_vector + chance[:, None] * (there_vector - vector) / K
    return ah, ah_vector


def test_the_stein_operator_is_its_definition_and_has_mean_zero():
    z = states(K)
    rows = len(z)
    with isolated(seed=0):
        latents = describe(causes(), ROWS[:1].expand(rows, -1))
        network = RODEO(hidden=6).state(latents)
    scatter(network, spread=1.0)
    network.requires_grad_(requires_grad=False)
    mu = torch.rand(K).expand(rows, K)
    partner, f, grad_f = (torch.rand(K) < 0.5).double(), torch.randn(()), torch.randn(K)
    x = torch.stack([z, partner.expand(rows, K)])
    draws = BernoulliDraws(
        {"z": x},
        {"z": mu},
        torch.stack([torch.zeros(rows), f.expand(rows)]),
        {"z": torch.stack([torch.zeros(rows, K), grad_f.expand(rows, K)])},
    )
    ah, ah_score = stein(network, draws, latents)
    exact = stein_by_definition(
        network,
        {"x": z, "mu": mu},
        {"x": partner, "f": f.expand(rows), "grad_f": grad_f},
        latents,
    )
    assert relative_error(ah[0], exact[0]) < IDENTITY
    assert relative_error(ah_score["z"][0], exact[1]) < IDENTITY
    chance = (z * mu + (1 - z) * (1 - mu)).prod(-1)
    for value in (ah[0], *ah_score["z"][0].mT):
        assert (chance * value).sum().abs() <= IDENTITY * value.abs().max()


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [DoubleControlVariates(2), RODEO(2, hidden=12)], ids=str)
def test_learned_control_variates_lower_the_variance(objective):
    plain = network_variance(LeaveOneOut(2), draws=1000)
    assert below(network_variance(objective, prepare=train, draws=1000), plain)


def test_a_network_without_units_is_refused():
    with pytest.raises(ValueError, match="hidden to be a whole number above 0; got 0"):
        RODEO(hidden=0)
