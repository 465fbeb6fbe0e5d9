"""Estimators for Bernoulli latents: unbiased, related to each other as proven, and ordered."""

from contextlib import contextmanager

import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    built,
    clock,
    flat,
    scatter,
    unvectorised,
)
from estimates import unbiased
from network_of_causes import (
    ROWS,
    batch_gradients,
    causes,
    exact_elbo,
    exact_gradient,
    largest_z,
    minibatch_gradients,
    parameters,
)
from network_of_causes import linear as factors
from steps import a_capture, a_program, equal_on_fresh_inputs
from toys import (
    LOGITS,
    a_toy,
    bernoulli_toy,
    curved,
    exact_toy_gradient,
    gradient_under,
    toy_gradients,
    variance_and_error,
)

from guides import AmortisedDiscrete, AmortisedNormal
from zoo.gradients.sampler import gradient_draws
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import REBAR, RELAX, DisARM, LeaveOneOut, MuProp, TraceGraph
from zoo.objectives.arm import ARM
from zoo.objectives.arms import ARMS, antithetic, debias
from zoo.objectives.double_cv import DoubleControlVariates
from zoo.objectives.rodeo import RODEO
from zoo.pairing.mismatch import PairingError

UNBIASED = [ARM(), ARMS(2), ARMS(3), ARMS(4), ARM(pairs=3), DisARM(pairs=3)] + [
    DoubleControlVariates(),
    DoubleControlVariates(3),
    RODEO(2, hidden=6),
    RODEO(3, hidden=6),
]
ONE_OF_EACH = [ARM(), DisARM(pairs=3), ARMS(), DoubleControlVariates(), RODEO(hidden=6)]


@contextmanager
def a_network(objective, spread=1.0):
    """The same network for every objective, with weights of that size."""
    with isolated(seed=1):
        model = causes()
    with a_program(model, AmortisedDiscrete, (ROWS,), objective) as (program, rows, _):
        scatter(program.model, spread=spread, seed=4)
        scatter(program.guide, spread=spread, seed=5)
        scatter(program.state, spread=0.5, seed=6)
        yield program, rows


@pytest.mark.thin(5)
@pytest.mark.parametrize("spread", [0.1, 1.0])
@pytest.mark.parametrize("objective", UNBIASED, ids=str)
def test_the_mean_gradient_is_exact(objective, spread):
    with a_network(objective, spread) as (program, _):
        exact = exact_gradient(program, exact_elbo, ROWS)
        found = batch_gradients(program, ROWS, batches=40, copies=200)
    assert unbiased(found, exact)


@pytest.mark.thin(24)
@pytest.mark.parametrize("logits", [LOGITS, -LOGITS, torch.tensor([4.0, -3.0, 0.0])], ids=str)
@pytest.mark.parametrize("objective", UNBIASED, ids=str)
def test_the_mean_gradient_of_a_toy_is_exact(objective, logits):
    with a_toy(bernoulli_toy(curved, logits), objective) as program:
        found = toy_gradients(program, 10_000)
    assert largest_z(found, exact_toy_gradient(curved, logits)) < ERRORS


def middle(u, p):
    """The middle of the interval of u on which both b = 1[u < p] and b' = 1[1 - u < p] stay."""
    low = torch.minimum(p, 1 - p)
    return torch.where(u < low, low / 2, torch.where(u > 1 - low, 1 - low / 2, 0.5))


def test_arm_averaged_over_its_noise_is_disarm():
    """ARM is linear in u where b and b' do not change: its mean there is its value midway."""
    unused, toy = torch.rand(3), bernoulli_toy(curved, LOGITS)
    for _ in range(40):
        u = torch.rand(3)
        averaged, _ = gradient_under(toy, ARM(), [unused, middle(u, LOGITS.sigmoid())[None]])
        rao_blackwell, _ = gradient_under(toy, DisARM(), [unused, u[None]])
        assert (averaged - rao_blackwell).abs().max() <= IDENTITY


def test_arms_of_two_is_disarm():
    unused, toy = torch.rand(3), bernoulli_toy(curved, LOGITS)
    for _ in range(40):
        noise = torch.rand(2, 3)
        exponential = -torch.log1p(-noise)
        first = 1 - exponential[0] / exponential.sum(0)
        u = torch.where(LOGITS < 0, first, 1 - first)
        two, _ = gradient_under(toy, ARMS(2), [unused, noise])
        disarm, _ = gradient_under(toy, DisARM(), [unused, u[None]])
        assert (two - disarm).abs().max() <= IDENTITY


@pytest.mark.parametrize("particles", [2, 3, 4, 7])
def test_arms_draws_have_the_correlation_it_divides_by(particles):
    logit = torch.tensor([-4.0, -1.0, -0.2, 0.0, 0.2, 1.0, 4.0])
    b = antithetic(logit.expand(40_000, 7), particles)
    p = logit.sigmoid()
    for k in range(particles):
        assert largest_z(b[k], p) < ERRORS
    pairs = (b[0] - p) * (b[1] - p) / (p * (1 - p))
    correlation = 1 - 1 / debias(logit, particles)
    assert (correlation < 0).all()
    assert largest_z(pairs, correlation) < ERRORS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arms_stays_finite_where_probabilities_underflow(dtype):
    logit = torch.tensor([-1000.0, -120.0, -30.0, 30.0, 120.0, 1000.0], dtype=dtype)
    for particles in (2, 3, 4):
        factor = debias(logit, particles)
        assert (factor - 1).abs().max() <= 1e-6
        assert torch.equal(antithetic(logit, particles)[0], (logit > 0).to(dtype))


def toy_variance(objective, cost=curved, draws=20_000):
    """Total variance and its standard error."""
    with a_toy(bernoulli_toy(cost, LOGITS), objective) as program:
        return variance_and_error(toy_gradients(program, draws))


def network_variance(objective, *, prepare=None, draws=4000):
    """Mean variance of the guide's gradient and its error; own parameters are prepared first."""
    with a_network(objective, 0.1) as (program, rows):
        if prepare is not None:
            prepare(program)
        found = gradient_draws(program, rows, draws)
        sizes = [shape.numel() for shape in found.layout.shapes]
        columns = zip(found.layout.names, found.gradients.split(sizes, -1), strict=True)
        return variance_and_error(
            torch.cat([column for name, column in columns if name.startswith("guide")], -1)
        )


def below(less, more):
    """Is the first variance less than the second, by five standard errors of the difference?"""
    error = (less[1] ** 2 + more[1] ** 2).sqrt()
    return bool(more[0] - less[0] > ERRORS * error)


@pytest.mark.thorough
def test_arm_has_more_variance_than_disarm():
    assert below(toy_variance(DisARM()), toy_variance(ARM()))
    assert below(network_variance(DisARM()), network_variance(ARM()))


@pytest.mark.parametrize("kind", [ARM, DisARM])
def test_independent_pairs_divide_the_variance(kind):
    (one, _), (four, _) = toy_variance(kind()), toy_variance(kind(pairs=4))
    assert 0.8 < one / (4 * four) < 1.25


def test_less_than_a_pair_is_refused():
    with pytest.raises(ValueError, match="pairs.*0"):
        DisARM(pairs=0)


@pytest.mark.thorough
def test_variances_on_a_network_have_the_known_order():
    found = {
        objective: network_variance(objective, draws=6000)
        for objective in (TraceGraph(), LeaveOneOut(), DisARM(), ARMS(4), ARMS(3))
    }
    assert below(found[LeaveOneOut()], found[TraceGraph()])
    assert below(found[DisARM()], found[LeaveOneOut()])
    assert below(found[ARMS(3)], found[DisARM()])
    assert below(found[ARMS(4)], found[ARMS(3)])


@pytest.mark.thin(2)
@pytest.mark.parametrize("particles", [2, 3])
def test_antithetic_draws_beat_independent_ones_on_a_toy(particles):
    assert below(toy_variance(ARMS(particles)), toy_variance(LeaveOneOut(particles)))


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_captured_equals_plain(objective):
    with a_capture(causes(), AmortisedDiscrete, (ROWS,), objective) as (captured, program, rows):
        assert equal_on_fresh_inputs(captured, program, rows)


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_a_minibatch_gradient_is_unbiased_for_all_rows(objective):
    x = ROWS.repeat(5, 1)
    with built(causes(), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
        exact = exact_gradient(program, exact_elbo, x)
        found = minibatch_gradients(program, x, 200)
    assert largest_z(found, exact) < ERRORS


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_particles_in_a_loop_are_unbiased_too(objective):
    x = ROWS[:1].repeat(50, 1)
    with built(causes(), AmortisedDiscrete, objective, (x,)) as program:
        exact, found = exact_gradient(program, exact_elbo, x), []
        unvectorised(program)
        for _ in range(60):
            program.zero_grad(set_to_none=True)
            program.backward(clock(), None, x)
            found.append(flat(p.grad for p in parameters(program)))
    assert largest_z(torch.stack(found), exact) < ERRORS


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_the_value_is_the_negative_elbo(objective):
    with a_network(objective, 0.1) as (program, rows):
        losses = gradient_draws(program, rows, 4000).losses
        exact = -exact_elbo(program, ROWS).detach()
    assert largest_z(losses[:, None], exact) < ERRORS


@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_the_value_is_to_be_had_without_gradients(objective):
    with a_network(objective, 0.1) as (program, _):
        torch.manual_seed(1)
        loss = program(clock(), None, ROWS)
        torch.manual_seed(1)
        with torch.no_grad():
            value = program(clock(), None, ROWS)
    assert loss.requires_grad
    assert not value.requires_grad
    assert value.item() == loss.item()


def test_the_cost_is_said():
    latents = describe(causes(), ROWS)
    assert ARM().evaluations(latents) == 2
    assert DisARM(pairs=3).evaluations(latents) == 6
    for particles in (2, 3):
        assert ARMS(particles).evaluations(latents) == particles
        for kind in (DoubleControlVariates, RODEO):  # and as many gradients in z
            assert kind(particles).evaluations(latents) == 2 * particles
    assert MuProp().evaluations(latents) == 2 + 1
    assert REBAR().evaluations(latents) == RELAX().evaluations(latents) == 3 + 2


@pytest.mark.parametrize("kind", [ARMS, DoubleControlVariates, RODEO])
def test_one_particle_is_refused(kind):
    with pytest.raises(ValueError, match=r"at least 2; got 1.*use reinforce"):
        kind(particles=1)


@pytest.mark.parametrize("objective", ONE_OF_EACH, ids=str)
def test_latents_that_are_not_bernoulli_are_refused(objective):
    with (
        pytest.raises(PairingError, match="binary"),
        built(factors(), AmortisedNormal, objective, (ROWS,)),
    ):
        pass
