"""The objectives: equal to Pyro's of the same name, to brute force, and what is refused."""

import math

import pyro
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    clock,
    guide_of,
    relative_error,
    standard_error,
    step_of,
    unvectorised,
)
from cases_objectives import going_with
from cases_pairs import ALLOWED, BY_SCORES
from pyro import poutine
from pyro.infer import (
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from torch.distributions import kl_divergence

import zoo
from zoo.objectives import (
    IWAE,
    OBJECTIVES,
    MeanFieldKL,
    PyroELBO,
    Renyi,
    Trace,
    TraceGraph,
    as_objective,
)
from zoo.optim.schedules import Constant, Linear

PAIRS = [
    ("eight_schools", "mean_field"),
    ("eight_schools_noncentred", "full_rank"),
    ("logistic_regression", "mean_field"),
    ("bernoulli_vae", "amortised_normal"),
    ("ppca", "amortised_full_rank"),
    ("gaussian_vae", "amortised_iaf"),
    ("bernoulli_latent", "amortised_discrete"),
    ("categorical_vae", "amortised_discrete"),
    ("categorical_vae", "relaxed"),
]
WITHOUT_KL = going_with("draws of whole rows") | BY_SCORES  # to be weighed


def wide(kind, particles, nesting, **fields):
    """Pyro's ELBO with its particles in a plate; in a loop for one particle, as here."""
    vectorised = {"vectorize_particles": True, "max_plate_nesting": nesting}
    return kind(num_particles=particles, **(vectorised if particles > 1 else {}), **fields)


def own_step(elbo, program, args):
    """Loss and gradients by Pyro's own `loss_and_grads` at seed 0, on the same model and guide."""
    pair = program.pair

    def declared(*args):
        pyro.param("_declared", torch.zeros(()))
        return pair.model(*args)

    program.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    loss = elbo.loss_and_grads(declared, pair.guide, *args)
    grads = {name: p.grad.clone() for name, p in program.named_parameters() if p.grad is not None}
    return torch.as_tensor(loss), grads


def same(first, second, *, gradients=True):
    (loss, grads), (other_loss, other_grads) = first, second
    assert loss.item() == pytest.approx(other_loss.item(), rel=IDENTITY)
    if gradients:
        assert grads.keys() == other_grads.keys()
        assert grads
        for name, grad in grads.items():
            assert relative_error(grad, other_grads[name]) < IDENTITY, name
    return True


TWINS = {
    "trace": (Trace, Trace_ELBO),
    "trace_graph": (TraceGraph, TraceGraph_ELBO),
    "mean_field": (MeanFieldKL, TraceMeanField_ELBO),
}


def discrete_kl_step(model, family, args, particles):
    """Closed-form KL of the discrete distributions, plus the likelihood of the relaxed draws."""
    with built(model, family, MeanFieldKL(particles), args) as program:
        torch.manual_seed(1)
        loss = program(torch.zeros(()), None, *args)
        torch.manual_seed(1)
        runs = program.pair.draw(particles, args, {})
        likelihood = sum(t.model.nodes["x"]["log_prob"].sum() for t in runs) / particles
        program.eval()
        exact = poutine.trace(program.guide).get_trace(*args).nodes["z"]["fn"]
        prior = poutine.trace(program.model).get_trace(*args).nodes["z"]["fn"]
        kl = kl_divergence(exact, prior).sum()
    assert loss.item() == pytest.approx(float((kl - likelihood).detach()), rel=IDENTITY)
    return True


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize(("model", "guide"), PAIRS)
@pytest.mark.parametrize("name", TWINS)
def test_equal_to_pyros_of_the_same_name(name, model, guide, particles, device):
    ours, theirs = TWINS[name]
    made, args = MODEL_CASES[model].make(device)
    objective, family = ours(particles), guide_of(guide)
    if zoo.mismatch(zoo.describe(made, *args), family, objective) is not None:
        assert name == "mean_field"
        return
    if name == "mean_field" and guide == "relaxed":  # ours takes the discrete KL; Pyro samples
        assert discrete_kl_step(made, family, args, particles)
        return
    with built(made, family, objective, args, device=device) as program:
        elbo = wide(theirs, particles, program.latents.nesting)
        assert same(step_of(program, args), own_step(elbo, program, args))


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize(("model", "guide"), PAIRS)
@pytest.mark.parametrize(
    "kind", [Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO, RenyiELBO, ReweightedWakeSleep]
)
def test_pyros_own_are_taken_as_they_are(kind, model, guide, particles, device):
    made, args = MODEL_CASES[model].make(device)
    if kind is RenyiELBO and particles == 1:
        elbo = RenyiELBO(alpha=0.3, num_particles=1)
    elif kind is ReweightedWakeSleep:
        elbo = ReweightedWakeSleep(num_particles=2, vectorize_particles=False)
    else:
        elbo = wide(kind, particles, 1)
    family = guide_of(guide)
    if zoo.mismatch(zoo.describe(made, *args), family, as_objective(elbo)) is not None:
        assert kind is TraceMeanField_ELBO
        return
    with built(made, family, as_objective(elbo), args, device=device) as program:
        if kind is ReweightedWakeSleep and model not in ("bernoulli_latent", "bernoulli_vae"):
            return
        if kind is ReweightedWakeSleep:
            found, exact = step_of(program, args), rws_step(elbo, program, args)
        else:
            found, exact = step_of(program, args), own_step(elbo, program, args)
        assert same(found, exact)


def rws_step(elbo, program, args):
    program.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    loss = elbo.loss_and_grads(program.model, program.guide, *args)[0]
    grads = {name: p.grad.clone() for name, p in program.named_parameters() if p.grad is not None}
    return torch.as_tensor(loss), grads


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, 2.0])
@pytest.mark.parametrize(("model", "guide"), PAIRS[:6])
def test_renyi_equals_pyros_where_all_data_share_one_weight(alpha, model, guide, device):
    """Global latents, or a single row."""
    made, args = MODEL_CASES[model].make(device, rows=1)
    with built(made, guide_of(guide), Renyi(4, alpha), args, device=device) as program:
        elbo = wide(RenyiELBO, 4, program.latents.nesting, alpha=alpha)
        assert same(step_of(program, args), own_step(elbo, program, args))
        if alpha == 0.0:
            program.objective = IWAE(4)
            assert same(step_of(program, args), own_step(elbo, program, args))


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_renyis_value_with_discrete_draws(alpha):
    made, args = MODEL_CASES["bernoulli_latent"].make(rows=1)
    with built(made, guide_of("amortised_discrete"), Renyi(4, alpha), args) as program:
        elbo = wide(RenyiELBO, 4, 1, alpha=alpha)
        assert same(step_of(program, args), own_step(elbo, program, args), gradients=False)


def test_renyi_of_rows_is_the_sum_over_rows():
    """Each row has weights of its own, so its bound does not depend on the other rows."""
    made, (x,) = MODEL_CASES["ppca"].make()
    with built(made, guide_of("amortised_normal"), IWAE(5), (x,)) as program:
        found, _ = step_of(program, (x,))
        torch.manual_seed(0)
        (traces,) = program.pair.draw(5, (x,), {})
        log_w = traces.model.nodes["z"]["log_prob"] + traces.model.nodes["x"]["log_prob"]
        log_w = log_w - traces.guide.nodes["z"]["log_prob"]
        bound = (log_w.logsumexp(0) - math.log(5)).sum()
    assert log_w.shape == (5, len(x))
    assert found.item() == pytest.approx(-bound.item(), rel=IDENTITY)


@pytest.mark.thin(16)
@pytest.mark.parametrize("name", ["trace", "trace_graph", "mean_field", "renyi", "iwae"])
@pytest.mark.parametrize(("model", "guide"), [PAIRS[0], PAIRS[3], PAIRS[8]])
def test_particles_in_a_plate_equal_a_loop_in_expectation(name, model, guide):
    made, args = MODEL_CASES[model].make()
    kind, losses = type(OBJECTIVES[name]), []
    for loop in (False, True):
        with built(made, guide_of(guide), kind(particles=3), args) as program, torch.no_grad():
            program = unvectorised(program) if loop else program
            assert len(program.pair.draw(3, args, {})) == (3 if loop else 1)
            losses.append(torch.stack([program(clock(), None, *args) for _ in range(200)]))
    error = torch.stack([standard_error(loss) for loss in losses]).norm()
    assert (losses[0].mean() - losses[1].mean()).abs() < ERRORS * error


@pytest.mark.parametrize("objective", [Trace(), TraceGraph(), MeanFieldKL()], ids=str)
def test_kl_weight_between_the_likelihood_and_the_bound(objective):
    made, (x,) = MODEL_CASES["bernoulli_vae"].make()
    family = guide_of("amortised_normal")
    with built(made, family, objective, (x,)) as program:
        full, _ = step_of(program, (x,))
        torch.manual_seed(0)
        (traces,) = program.pair.draw(1, (x,), {})
        likelihood = traces.model.nodes["x"]["log_prob"].sum()
    for weight, expected in ((0.0, -likelihood), (1.0, full), (0.25, None)):
        with built(made, family, objective, (x,), kl_weight=Constant(weight)) as program:
            loss, _ = step_of(program, (x,))
        if expected is None:
            expected = -likelihood + weight * (full + likelihood)
        assert loss.item() == pytest.approx(expected.item(), rel=IDENTITY)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in WITHOUT_KL])
def test_kl_warm_up_starts_at_a_finite_gradient(name):
    """At step 0 the weight is 0, and nothing divides by it."""
    continuous = name in ALLOWED[PAIRS[3][0]][PAIRS[3][1]]
    model, guide = PAIRS[3] if continuous else PAIRS[6]
    if name not in ALLOWED[model][guide]:
        model, guide = next((m, g) for m, o in ALLOWED.items() for g in o if name in o[g])
    made, args = MODEL_CASES[model].make()
    warm_up = Linear(0.0, 1.0, 10)
    with built(made, guide_of(guide), OBJECTIVES[name], args, kl_weight=warm_up) as program:
        for step in range(3):
            loss, grads = step_of(program, args, step=float(step))
            assert loss.isfinite()
            assert all(grad.isfinite().all() for grad in grads.values())


def test_names():
    assert as_objective("iwae") is OBJECTIVES["iwae"]
    assert as_objective(OBJECTIVES["renyi"]) is OBJECTIVES["renyi"]
    assert isinstance(as_objective(Trace_ELBO()), PyroELBO)
    for wrong, right in (("trase", "trace"), ("iwea", "iwae"), ("meanfield", "mean_field")):
        with pytest.raises(ValueError, match=f"No objective named '{wrong}'.*'{right}'"):
            as_objective(wrong)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="alpha other than 1; got 1. Use Trace"):
        Renyi(alpha=1.0)
    with pytest.raises(ValueError, match="particles to be a whole number above 0; got 0"):
        Renyi(particles=0)
