"""Estimators that ask f between 0 and 1: MuProp, REBAR, RELAX, and the relaxations under them."""

import pytest
import torch
from cases import (
    AUTODIFF,
    ERRORS,
    IDENTITY,
    built,
    clock,
    flat,
    named,
    relative_error,
    standard_error,
)
from estimates import unbiased
from finite_estimators import (
    captured_minibatch_as_plain,
    found_and_exact,
    side_by_side_and_one_by_one,
)
from finite_models import Grid, Table, categorical, layers, seeded
from network_of_causes import (
    COPIES,
    ROWS,
    batch_gradients,
    causes,
    exact_elbo,
    exact_gradient,
    largest_z,
    minibatch_gradients,
    parameters,
)
from torch import nn
from toys import a_toy, bernoulli_toy, curved, exact_toy_gradient, square_distance, toy_gradients

from guides import AmortisedDiscrete
from zoo.objectives import rebar
from zoo.objectives.muprop import MuProp
from zoo.objectives.rebar import REBAR
from zoo.objectives.reinforce import Reinforce
from zoo.objectives.relax import RELAX
from zoo.pairing.mismatch import PairingError
from zoo.traces import add_up

LEARNED = [REBAR(), RELAX(hidden=(8,)), REBAR(particles=3)]
ALL = [MuProp(), MuProp(particles=3), *LEARNED, RELAX(hidden=(8,), particles=2)]


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", [*ALL, REBAR(0.1, 0.7), REBAR(2.0, -1.0)], ids=str)
def test_the_mean_gradient_is_exact(objective):
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        exact = exact_gradient(program, exact_elbo, ROWS)
        found = batch_gradients(program, ROWS)
        assert unbiased(found, exact)


@pytest.mark.thin(9)
@pytest.mark.parametrize("model", [categorical, layers, Grid])
@pytest.mark.parametrize("objective", ALL, ids=str)
def test_the_mean_gradient_is_exact_for_other_latents(model, objective):
    assert unbiased(*found_and_exact(model, objective))


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    "objective", [REBAR(3.0, -0.5), RELAX(3.0, -0.5, hidden=(8,))], ids=lambda o: type(o).__name__
)
def test_training_its_own_parameters_lowers_the_variance_and_adds_no_bias(objective):
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        exact = exact_gradient(program, exact_elbo, ROWS)
        before = batch_gradients(program, ROWS).var(0).sum()
        optimizer = torch.optim.Adam(program.state.parameters(), lr=0.05)
        for _ in range(60):
            program.zero_grad(set_to_none=True)
            program.backward(clock(), None, ROWS.repeat(50, 1))
            optimizer.step()
        found = batch_gradients(program, ROWS)
        assert largest_z(found, exact) < ERRORS
        assert found.var(0).sum() < before


@pytest.mark.thin(6)
@pytest.mark.parametrize("objective", ALL, ids=str)
@pytest.mark.parametrize("model", [causes, categorical])
def test_the_variance_is_lower_than_of_reinforce(model, objective):
    spread = []
    for one in (objective, Reinforce()):
        with built(seeded(model), AmortisedDiscrete, one, (ROWS,)) as program:
            found = batch_gradients(program, ROWS)
            squares = (found - found.mean(0)).square().sum(-1) * COPIES
            spread.append((squares.mean(), standard_error(squares)))
    (low, low_error), (high, high_error) = spread
    assert high - low > ERRORS * (low_error**2 + high_error**2).sqrt()


@pytest.mark.parametrize("objective", LEARNED, ids=str)
def test_learning_leaves_the_model_and_the_guide_alone(objective, monkeypatch):
    found = []
    for learns in (True, False):
        if not learns:
            monkeypatch.setattr(rebar, "self_tuned", no_learning)
        with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
            program.backward(clock(), None, ROWS)
            found.append(flat(p.grad for p in parameters(program)))
            assert all((p.grad is not None) == learns for p in program.state.parameters())
    assert relative_error(found[0], found[1]) < IDENTITY


def no_learning(gradient, logits):
    return add_up((gradient[name].detach() * logits[name]).sum() for name in logits)


@pytest.mark.parametrize("objective", LEARNED, ids=str)
def test_what_is_learned_descends_the_squared_gradient(objective):
    """Against a finite difference at the same noise."""
    toy = bernoulli_toy(square_distance(0.3), torch.tensor([0.3, -0.8]))
    step = 1e-5
    with a_toy(toy, objective) as program:
        slopes = gradients(program, "state")
        for name, parameter in program.state.named_parameters():
            number, squares = parameter.data.view(-1)[:1], []
            for move in (step, -2 * step):
                number += move
                squares.append(flat(gradients(program, "guide").values()).square().mean())
            number += step
            difference = (squares[0] - squares[1]) / (2 * step)
            found = slopes[f"state.{name}"].view(-1)[0]
            assert (found - difference).abs() < AUTODIFF * max(1.0, float(difference.abs()))


def gradients(program, part):
    program.zero_grad(set_to_none=True)
    torch.manual_seed(4)
    program.backward(clock(), None)
    named = program.named_parameters()
    return {name: p.grad.clone() for name, p in named if name.startswith(part)}


def test_relax_without_its_network_is_rebar():
    found = []
    for objective in (REBAR(0.7, 0.9), RELAX(0.7, 0.9)):
        with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
            one = program.state if isinstance(objective, REBAR) else program.state.relaxation
            with torch.no_grad():
                one.log_temperature.fill_(-0.3)
                one.eta.fill_(0.9)
            if isinstance(objective, RELAX):
                nn.init.zeros_(program.state.last.weight)
                nn.init.zeros_(program.state.last.bias)
            torch.manual_seed(0)
            program.backward(clock(), None, ROWS)
            found.append(flat(p.grad for p in parameters(program)))
    assert relative_error(found[1], found[0]) < IDENTITY


def test_relax_starts_as_rebar():
    with torch.random.fork_rng():
        state = RELAX(hidden=(4, 3)).state(described(seeded(causes)))
    assert state.last.weight.abs().max() == 0
    assert [layer.out_features for layer in state.layers] == [4, 3]


def described(model):
    with built(model, AmortisedDiscrete, MuProp(), (ROWS,)) as program:
        return program.latents


def test_rebar_of_scale_zero_is_reinforce():
    """One coin: cost(b) (b - p), whatever the noise."""
    logit, cost = torch.tensor([0.3]), square_distance(0.2)
    with a_toy(bernoulli_toy(cost, logit), REBAR()) as program:
        nn.init.zeros_(program.state.eta)
        found = toy_gradients(program, 200)
    assert rounded(found) == rounded(cost(b) * (b - logit.sigmoid()) for b in COIN)


COIN = torch.tensor([[0.0], [1.0]])


def rounded(values):
    return {round(float(value), 10) for value in values}


def test_muprop_leaves_what_is_not_linear():
    """One coin, cost (b - t)^2: ((b - mu)^2) (b - mu) + 2 (mu - t) mu (1 - mu)."""
    logit, target = torch.tensor([0.3]), 0.2
    mu = logit.sigmoid()
    with a_toy(bernoulli_toy(square_distance(target), logit), MuProp()) as program:
        found = toy_gradients(program, 200)
    path = 2 * (mu - target) * mu * (1 - mu)
    assert rounded(found) == rounded((b - mu) ** 3 + path for b in COIN)


def test_muprop_has_no_noise_where_f_is_linear():
    slope, logits = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.3, -0.8, 1.5])

    def cost(b):
        return b @ slope

    with a_toy(bernoulli_toy(cost, logits), MuProp()) as program:
        found = toy_gradients(program, 50)
    exact = exact_toy_gradient(cost, logits)
    assert relative_error(found, exact.expand_as(found)) < IDENTITY


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", LEARNED, ids=str)
def test_shared_latents_are_taken(objective):
    cost, logits = square_distance(0.45), torch.tensor([0.3, -0.8])
    with a_toy(bernoulli_toy(cost, logits), objective) as program:
        found = toy_gradients(program, 4000)
    assert largest_z(found, exact_toy_gradient(cost, logits)) < ERRORS


@pytest.mark.parametrize("model", [categorical, Grid])
@pytest.mark.parametrize("objective", ALL, ids=str)
def test_values_side_by_side_are_values_one_by_one(model, objective):
    assert relative_error(*side_by_side_and_one_by_one(model, objective)) < IDENTITY


@pytest.mark.thin(4)
@pytest.mark.parametrize(
    ("model", "objective"),
    [(categorical, MuProp()), (layers, MuProp()), (categorical, REBAR()), (causes, RELAX())],
    ids=named,
)
def test_a_captured_step_equals_the_plain_one(model, objective):
    assert captured_minibatch_as_plain(model, objective)


@pytest.mark.thin(3)
@pytest.mark.parametrize("objective", ALL, ids=str)
def test_a_minibatch_gradient_is_unbiased_for_all_rows(objective):
    x = ROWS.repeat(5, 1)
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
        exact = exact_gradient(program, exact_elbo, x)
        found = minibatch_gradients(program, x, 400)
        assert largest_z(found, exact) < ERRORS


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_integers_cannot_be_relaxed(objective):
    with pytest.raises(PairingError, match="takes binary or one-hot latents; 'z' is integer"):
        built(seeded(Table), AmortisedDiscrete, objective, (ROWS,)).__enter__()


def test_evaluations_are_counted():
    latents = described(seeded(causes))
    assert [objective.evaluations(latents) for objective in ALL] == [3, 5, 5, 5, 15, 10]


@pytest.mark.thin(3)
@pytest.mark.parametrize("kind", [MuProp, REBAR, RELAX])
def test_independent_draws_divide_the_variance(kind):
    toy, total = bernoulli_toy(curved, torch.tensor([0.5, -1.0, 0.3])), []
    for particles in (1, 4):
        with a_toy(toy, kind(particles=particles)) as program:
            total.append(toy_gradients(program, 20_000).var(0).sum())
    assert 0.8 < total[0] / (4 * total[1]) < 1.25


@pytest.mark.parametrize("make", [REBAR, RELAX])
def test_a_temperature_is_positive(make):
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature to be a finite number above 0"):
            make(temperature)


def test_relax_refuses_empty_layers():
    for hidden in ((), (0,)):
        with pytest.raises(ValueError, match="For no network use rebar"):
            RELAX(hidden=hidden)
