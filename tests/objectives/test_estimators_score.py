"""Score-function estimators: REINFORCE, its baselines, VIMCO, sums over one latent or layer."""

from functools import partial

import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    clock,
    named,
    relative_error,
    standard_error,
)
from estimates import unbiased
from finite_estimators import captured_minibatch_as_plain
from finite_models import categorical, layers, seeded
from network_of_causes import (
    COPIES,
    ROWS,
    batch_gradients,
    causes,
    closed_form_elbo,
    exact_elbo,
    exact_gradient,
    exact_renyi_of_two,
    largest_z,
    linear,
    minibatch_gradients,
)
from toys import a_toy, bernoulli_toy, gaussian_toy, square_distance, toy_gradients

from guides import AmortisedDiscrete, AmortisedNormal, MeanField
from zoo.objectives import LeaveOneOut, Renyi
from zoo.objectives.baselines import ConstantBaseline, DecayingAverage, Neural
from zoo.objectives.layer_sum import LayerSum
from zoo.objectives.local_sum import LocalSum
from zoo.objectives.reinforce import Reinforce
from zoo.objectives.vimco import VIMCO, leave_one_out
from zoo.traces import log_mean_exp

iwae_of_two = partial(exact_renyi_of_two, 0.0)
NVIL = (DecayingAverage(), Neural((4,)))
CASES = {
    "reinforce": (Reinforce(), exact_elbo),
    "reinforce, constant": (Reinforce(2, (ConstantBaseline(-2.0),)), exact_elbo),
    "reinforce, nvil": (Reinforce(1, NVIL), exact_elbo),
    "vimco": (VIMCO(2), iwae_of_two),
    "vimco, geometric": (VIMCO(2, geometric=True), iwae_of_two),
    "local_sum": (LocalSum(), exact_elbo),
}


@pytest.mark.thin(3)
@pytest.mark.parametrize("name", CASES)
def test_the_mean_gradient_is_exact(name):
    objective, bound = CASES[name]
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        for _ in range(3):
            program.backward(clock(), None, ROWS)  # baselines that matter
        exact = exact_gradient(program, bound, ROWS)
        found = batch_gradients(program, ROWS)
        assert unbiased(found, exact)


def test_reinforce_holds_differentiable_draws_constant():
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]])
    with built(linear(), AmortisedNormal, Reinforce(2), (x,)) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        assert largest_z(batch_gradients(program, x), exact) < ERRORS


@pytest.mark.parametrize("baseline", [ConstantBaseline(1.0), DecayingAverage()], ids=str)
def test_reinforce_takes_shared_latents(baseline):
    loc, target = torch.tensor([0.5, -1.0]), 0.45
    toy = gaussian_toy(square_distance(target), loc)
    with a_toy(toy, Reinforce(1, (baseline,))) as program:
        found = toy_gradients(program, 4000)
    assert largest_z(found, loc - target) < ERRORS  # 2 (theta - target) / D, D = 2


def test_reinforce_runs_on_eight_schools():
    model, args = MODEL_CASES["eight_schools"].make()
    objective = Reinforce(4, (DecayingAverage(),))
    with built(model, MeanField, objective, args) as program:
        assert program.backward(clock(), None, *args).isfinite()
        assert all(p.grad.isfinite().all() for p in program.guide.parameters())


def test_reinforce_is_the_signal_times_the_score():
    """One coin: cost(b) minus the constant, times b - p."""
    logit, cost = torch.tensor([0.3]), square_distance(0.2)
    with a_toy(bernoulli_toy(cost, logit), Reinforce(1, (ConstantBaseline(0.1),))) as program:
        found = toy_gradients(program, 200)
    p = logit.sigmoid()
    values = {round(float((cost(b) - 0.1) * (b - p)), 10) for b in torch.tensor([[0.0], [1.0]])}
    assert {round(value, 10) for value in found.flatten().tolist()} == values


def test_a_neural_baseline_needs_rows():
    toy = bernoulli_toy(square_distance(0.45), torch.zeros(1))
    with pytest.raises(ValueError, match="neural baseline"), a_toy(toy, Reinforce(1, (Neural(),))):
        pass


def spread(objective, bound=exact_elbo):
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        for _ in range(5):
            program.backward(clock(), None, ROWS.repeat(COPIES, 1))
        found = batch_gradients(program, ROWS)
        errors = (found - exact_gradient(program, bound, ROWS)).square().sum(-1) * COPIES
        return errors.mean(), standard_error(errors)


@pytest.mark.thin(5)
@pytest.mark.parametrize(
    ("better", "worse", "bound"),
    [
        (Reinforce(1, (ConstantBaseline(-2.0),)), Reinforce(), exact_elbo),
        (Reinforce(1, NVIL), Reinforce(), exact_elbo),
        (VIMCO(2), Renyi(2, 0.0), iwae_of_two),
        (VIMCO(2, geometric=True), Renyi(2, 0.0), iwae_of_two),
        (LocalSum(), Reinforce(), exact_elbo),
    ],
    ids=named,
)
def test_the_variance_is_lower(better, worse, bound):
    (low, low_error), (high, high_error) = spread(better, bound), spread(worse, bound)
    assert high - low > ERRORS * (low_error**2 + high_error**2).sqrt()


@pytest.mark.parametrize("geometric", [False, True])
def test_the_left_out_weight_is_a_mean_of_the_others(geometric):
    log_w = torch.randn(4, 3)
    found = leave_one_out(log_w, geometric=geometric)
    for k in range(4):
        rest = torch.cat([log_w[:k], log_w[k + 1 :]])
        stand_in = rest.mean(0) if geometric else log_mean_exp(rest)
        expected = log_mean_exp(torch.cat([rest, stand_in[None]]))
        assert relative_error(found[k], expected) < IDENTITY


def test_the_two_stand_ins_agree_for_two_weights():
    log_w = torch.randn(2, 3)
    found = leave_one_out(log_w, geometric=True)
    assert relative_error(found, log_w.flip(0)) < IDENTITY
    assert relative_error(found, leave_one_out(log_w, geometric=False)) < IDENTITY


def test_vimco_survives_weights_far_apart():
    log_w = torch.tensor([[-2000.0], [0.0], [-900.0]])
    for geometric in (False, True):
        assert leave_one_out(log_w, geometric=geometric).isfinite().all()


@pytest.mark.thin(8)
@pytest.mark.parametrize("model", [categorical, layers])
@pytest.mark.parametrize(
    "objective",
    [Reinforce(2, NVIL), VIMCO(3, geometric=True), LocalSum(), LayerSum(particles=2)],
    ids=named,
)
def test_a_captured_step_equals_the_plain_one(model, objective):
    assert captured_minibatch_as_plain(model, objective)


@pytest.mark.thin(5)
@pytest.mark.parametrize(
    "objective",
    [Reinforce(2, (DecayingAverage(),)), VIMCO(2), LocalSum(), LayerSum(), LeaveOneOut()],
    ids=named,
)
def test_a_minibatch_gradient_is_unbiased_for_all_rows(objective):
    x = ROWS.repeat(5, 1)
    bound = iwae_of_two if isinstance(objective, VIMCO) else exact_elbo
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
        exact = exact_gradient(program, bound, x)
        found = minibatch_gradients(program, x, 300)
        assert largest_z(found, exact) < ERRORS


@pytest.mark.parametrize("make", [Reinforce, LayerSum])
def test_no_particles_are_refused(make):
    with pytest.raises(ValueError, match="whole number above 0; got 0"):
        make(particles=0)


def test_vimco_refuses_one_particle():
    with pytest.raises(ValueError, match="at least 2; got 1"):
        VIMCO(particles=1)
