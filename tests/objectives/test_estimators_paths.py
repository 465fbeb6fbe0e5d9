"""Gradients through reparameterised draws, and measure-valued ones: exact means and identities."""

import pyro.distributions as dist
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    conjugate_rows,
    flat,
    guide_of,
    relative_error,
    standard_error,
    step_of,
    unvectorised,
)
from estimates import same_mean, unbiased
from exact_bounds import REALS, elbo, iwae, of_nodes, one_factor
from network_of_causes import batch_gradients, exact_gradient, largest_z
from small_tasks import exact_guide, fitted_ppca_task
from steps import a_capture, a_program, equal_on_fresh_inputs

from guides import AmortisedNormal
from zoo.compile.noise import ExplicitNoise, replay
from zoo.gradients.sampler import gradient_draws
from zoo.objectives import IWAE, StickingTheLanding
from zoo.objectives.dreg import DoublyReparameterised
from zoo.objectives.measure_valued import MeasureValued
from zoo.objectives.tail_adaptive import TailAdaptive, tail_adaptive_weights

K = 6


def gradients_of(objective, model=one_factor, guide=AmortisedNormal, x=REALS):
    with built(model(), guide, objective, (x,)) as program:
        return step_of(program, (x,), seed=3)


def of_guide(grads):
    return flat(grad for name, grad in grads.items() if name.startswith("guide."))


def of_model(grads):
    return flat(grad for name, grad in grads.items() if name.startswith("model."))


@pytest.mark.parametrize("change", [lambda program: program, unvectorised], ids=["wide", "loop"])
def test_dreg_has_the_gradient_of_the_importance_weighted_bound(change):
    with built(one_factor(), AmortisedNormal, DoublyReparameterised(2), (REALS,)) as program:
        exact = exact_gradient(program, lambda p, x: iwae(2)(of_nodes(p, x)), REALS)
        found = batch_gradients(change(program), REALS)
    assert unbiased(found, exact)


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("model", "guide"), [("logistic_regression", "full_rank"), ("eight_schools", "mean_field")]
)
def test_dreg_under_shared_latents_agrees_with_the_plain_gradient(model, guide):
    """The joint guide draws a vector, then sets each latent to a part of it: one path, not two."""
    made, args = MODEL_CASES[model].make()
    draws = []
    for objective in (DoublyReparameterised(3), IWAE(3)):
        with a_program(made, guide_of(guide), args, objective) as (program, rows, _):
            draws.append(gradient_draws(program, rows, 2000, seed=1).gradients)
    assert same_mean(*draws)
    assert (draws[0].mean(0).abs() > ERRORS * standard_error(draws[0])).any()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DoublyReparameterised(1), StickingTheLanding(1)),
        (TailAdaptive(K, beta=0.0), StickingTheLanding(K)),
    ],
    ids=str,
)
def test_ends_of_the_family_stick_the_landing(one, other):
    (loss, grads), (expected, exact) = gradients_of(one), gradients_of(other)
    assert loss.item() == pytest.approx(expected.item(), rel=IDENTITY)
    assert relative_error(flat(grads.values()), flat(exact.values())) < IDENTITY


def by_hand(program, x, noise, weight_of):
    """sum_k weight_k (d log w_k / d z_k) (d z_k / d phi), and log w: step by step."""
    model, (output,) = program.model, program.guide.encoder((x,))
    m, s = program.guide._moments(output)
    z = m + s * noise
    at = z.detach().requires_grad_()
    log_p = dist.Normal(model.decode(at), model.log_scale.exp()).log_prob(x).sum(-1)
    log_p = log_p + dist.Normal(0.0, 1.0).log_prob(at).sum(-1)
    log_w = log_p - dist.Normal(m.detach(), s.detach()).log_prob(at).sum(-1)
    (slope,) = torch.autograd.grad(log_w.sum(), at, retain_graph=True)
    path = (weight_of(log_w.detach())[..., None] * slope * z).sum()
    return torch.autograd.grad(-path, list(program.guide.parameters())), log_w


PATHS = {
    "dreg": (DoublyReparameterised(K), lambda log_w: log_w.softmax(0) ** 2, IWAE(K)),
    "tail_adaptive": (
        TailAdaptive(K),
        lambda log_w: tail_adaptive_weights(log_w, -1.0),
        StickingTheLanding(K),
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_formula_by_hand(name):
    """The model's gradient is that of the bound, whatever becomes of the guide's."""
    objective, weight_of, bound = PATHS[name]
    noise, steps = torch.randn(K, len(REALS), 1), []
    for one in (objective, bound):
        with built(one_factor(), AmortisedNormal, one, (REALS,)) as program:
            with ExplicitNoise(replay([noise])):
                steps.append(step_of(program, (REALS,)))
            phi, _ = by_hand(program, REALS, noise, weight_of)
    (loss, grads), (expected, theirs) = steps
    assert relative_error(of_guide(grads), flat(phi)) < IDENTITY
    assert relative_error(of_model(grads), of_model(theirs)) < IDENTITY
    assert loss.item() == pytest.approx(expected.item(), rel=IDENTITY)


def test_tail_adaptive_weights_depend_on_ranks_alone():
    log_w = torch.tensor([[0.0, 5.0], [2.0, 5.0], [1.0, 5.0], [90.0, 5.0]])
    rank = torch.tensor([4 / 4, 4 / 2, 4 / 3, 4 / 1])  # one over the tail probability
    found = tail_adaptive_weights(log_w, -1.0)
    assert relative_error(found[:, 0], rank / rank.sum()) < IDENTITY
    assert relative_error(found[:, 1], torch.full((4,), 0.25)) < IDENTITY
    assert torch.equal(found, tail_adaptive_weights(log_w.exp(), -1.0))


@pytest.mark.parametrize("name", PATHS)
def test_no_noise_is_left_where_the_guide_is_exact(name):
    task, objective = fitted_ppca_task(), PATHS[name][0]
    (x,), norms = task.split("train"), []
    for one in (objective, IWAE(K)):
        with a_program(task.build(), exact_guide(task), (x,), one) as (program, _, _):
            with torch.no_grad():
                program.model.load_state_dict(task.build().state_dict())
                program.guide.load_state_dict(exact_guide(task).state_dict())
            norms.append(of_guide(step_of(program, (x,))[1]).norm())
    assert norms[0] < IDENTITY * norms[1]


def phi_noise(objective):
    """Variance of the guide's gradient over its squared mean, where q covers the posterior."""
    with built(one_factor(), AmortisedNormal, objective, (REALS,)) as program:
        with torch.no_grad():
            program.guide.encoder.heads[0].bias[1] = 1.0
        skip = sum(p.numel() for p in program.model.parameters())
        found = batch_gradients(program, REALS, 30, 100)[:, skip:]
    return found.var(0).sum() / found.mean(0).square().sum()


def test_the_signal_of_dreg_grows_with_the_draws_and_that_of_iwae_falls():
    dreg = {k: phi_noise(DoublyReparameterised(k)) for k in (4, 64)}
    plain = {k: phi_noise(IWAE(k)) for k in (4, 64)}
    assert dreg[4] < plain[4]
    assert dreg[64] < dreg[4] / 2
    assert plain[64] > plain[4] * 2


def test_the_tail_adaptive_gradient_is_not_the_elbos():
    with built(one_factor(), AmortisedNormal, TailAdaptive(K), (REALS,)) as program:
        exact = exact_gradient(program, lambda p, x: elbo(of_nodes(p, x)), REALS)
        found = batch_gradients(program, REALS, batches=30, copies=100)
        size = sum(p.numel() for p in program.model.parameters())
    assert largest_z(found[:, :size], exact[:size]) < ERRORS
    assert largest_z(found[:, size:], exact[size:]) > 2 * ERRORS


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    "objective", [DoublyReparameterised(3), TailAdaptive(3), MeasureValued()], ids=str
)
def test_captured_with_a_latent_for_each_row(objective):
    for model in (one_factor(), conjugate_rows):
        x = REALS if model is not conjugate_rows else REALS[:, 0]
        with a_capture(model, AmortisedNormal, (x,), objective) as found:
            assert equal_on_fresh_inputs(*found)
