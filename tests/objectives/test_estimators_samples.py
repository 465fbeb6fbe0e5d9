"""Bounds of many draws: their mean gradients against exact ones, and how they are related."""

import pytest
import torch
from cases import (
    AUTODIFF,
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    flat,
    guide_of,
    relative_error,
    standard_error,
    step_of,
    unvectorised,
)
from estimates import unbiased
from exact_bounds import (
    BITS,
    REALS,
    ciwae,
    elbo,
    iwae,
    largest,
    of_nodes,
    of_states,
    one_factor,
    two_causes,
)
from network_of_causes import batch_gradients, exact_gradient, largest_z
from steps import a_capture, equal_on_fresh_inputs

from guides import AmortisedDiscrete, AmortisedNormal, Relaxed
from zoo.compile.noise import ExplicitNoise, replay
from zoo.objectives import IWAE, LeaveOneOut, Renyi, StickingTheLanding, Trace
from zoo.objectives.ciwae import CIWAE
from zoo.objectives.dreg import DoublyReparameterised
from zoo.objectives.measure_valued import MeasureValued
from zoo.objectives.miwae import MIWAE
from zoo.objectives.piwae import PIWAE
from zoo.objectives.tail_adaptive import TailAdaptive
from zoo.objectives.tvo import Thermodynamic
from zoo.objectives.vr_max import VRMax
from zoo.traces import Weights

DISCRETE = (two_causes, AmortisedDiscrete, BITS, of_states)
CONTINUOUS = (one_factor, AmortisedNormal, REALS, of_nodes)
UNBIASED = {
    "vr_max": (VRMax(2), largest),
    "miwae": (MIWAE(M=2, K=2), iwae(2)),
    "ciwae": (CIWAE(2, beta=0.3), ciwae(0.3)),
    "tvo, 1 partition": (Thermodynamic(4, partitions=1), elbo),
}
DRAWS = 4
ANY_GUIDE = [VRMax(4), MIWAE(2, 2), CIWAE(4), PIWAE(2, 2), Thermodynamic(4, 3)]
PATHS = [DoublyReparameterised(4), TailAdaptive(4)]


@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_gradient_is_exact_for_discrete_draws(name):
    mean_gradient_is_exact(*UNBIASED[name], DISCRETE)


@pytest.mark.parametrize("name", sorted(set(UNBIASED) - {"vr_max"}))  # a kink defeats quadrature
def test_the_mean_gradient_is_exact_for_continuous_draws(name):
    mean_gradient_is_exact(*UNBIASED[name], CONTINUOUS)


def mean_gradient_is_exact(objective, bound, setting):
    model, guide, x, parts = setting
    with built(model(), guide, objective, (x,)) as program:
        exact = exact_gradient(program, lambda p, x: bound(parts(p, x)), x)
        found = batch_gradients(program, x)
    assert unbiased(found, exact)


@pytest.mark.parametrize("setting", [DISCRETE, CONTINUOUS], ids=["discrete", "continuous"])
def test_piwae_gives_each_its_own_bound(setting):
    model, guide, x, parts = setting
    with built(model(), guide, PIWAE(M=2, K=2), (x,)) as program:
        sizes = [
            sum(p.numel() for p in part.parameters()) for part in (program.model, program.guide)
        ]
        theta, _ = exact_gradient(program, lambda p, x: iwae(4)(parts(p, x)), x).split(sizes)
        _, phi = exact_gradient(program, lambda p, x: iwae(2)(parts(p, x)), x).split(sizes)
        found = batch_gradients(program, x)
    assert largest_z(found, torch.cat([theta, phi])) < ERRORS
    assert standard_error(found).norm() < 0.2 * torch.cat([theta, phi]).norm()


def gradients_of(objective, setting, seed=3):
    model, guide, x, _ = setting
    with built(model(), guide, objective, (x,)) as program:
        return step_of(program, (x,), seed=seed)


SAME = [
    (MIWAE(M=1, K=4), IWAE(4)),
    (MIWAE(M=4, K=1), Trace(4)),
    (PIWAE(M=1, K=4), IWAE(4)),
    (CIWAE(4, beta=0.0), IWAE(4)),
    (CIWAE(4, beta=1.0), Trace(4)),
    (CIWAE(4, beta=1.0), MIWAE(M=4, K=1)),
    (VRMax(1), IWAE(1)),
    (Thermodynamic(4, partitions=1), LeaveOneOut(4)),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_ends_of_the_family_are_known_bounds(one, other):
    settings = [CONTINUOUS] if isinstance(other, Trace) else [CONTINUOUS, DISCRETE]
    for setting in settings:  # Trace ties the rows' score functions together
        (loss, grads), (expected, exact) = (gradients_of(o, setting) for o in (one, other))
        assert loss.item() == pytest.approx(expected.item(), rel=IDENTITY)
        assert relative_error(flat(grads.values()), flat(exact.values())) < IDENTITY


def test_piwae_under_a_guide_that_changes_the_model():
    relaxed = (two_causes, Relaxed, BITS, None)
    (_, grads), (_, exact) = (gradients_of(o, relaxed) for o in (PIWAE(M=1, K=4), IWAE(4)))
    assert relative_error(flat(grads.values()), flat(exact.values())) < IDENTITY


STRAIGHT = [
    (DoublyReparameterised(1), StickingTheLanding()),
    (TailAdaptive(4, beta=0.0), StickingTheLanding(4)),
    (PIWAE(1, 4), IWAE(4)),
]


@pytest.mark.parametrize("guide", ["relaxed", "straight_through", "gumbel_rao"])
@pytest.mark.parametrize("model", ["bernoulli_latent", "categorical_vae"])
@pytest.mark.parametrize(("one", "other"), STRAIGHT, ids=str)
def test_a_draw_made_discrete_is_scored_again_where_it_was_relaxed(one, other, model, guide):
    made, args = MODEL_CASES[model].make()
    found = []
    for objective in (one, other):
        with built(made, guide_of(guide), objective, args) as program:
            found.append(flat(step_of(program, args, seed=3)[1].values()))
    assert relative_error(*found) < IDENTITY


def test_the_largest_weight_is_the_limit_of_renyis_bound():
    draws, alpha = 5, -1e4
    found, _ = gradients_of(VRMax(draws), DISCRETE)
    limit, _ = gradients_of(Renyi(draws, alpha), DISCRETE)
    gap = limit - found  # of losses: Renyi's bound lies below
    assert 0 <= gap <= len(BITS) * torch.tensor(float(draws)).log() / (1 - alpha)


def test_more_groups_have_less_noise_and_more_draws_a_tighter_bound():
    spread = {}
    for objective in (MIWAE(M=1, K=4), MIWAE(M=4, K=4)):
        with built(one_factor(), AmortisedNormal, objective, (REALS,)) as program:
            spread[objective.M] = batch_gradients(program, REALS, batches=20).var(0).sum()
    assert spread[4] < spread[1] / 2
    with built(one_factor(), AmortisedNormal, Trace(), (REALS,)) as program:
        parts = of_nodes(program, REALS)
        evidence = program.model.log_evidence(REALS).sum()
        values = [bound(parts) for bound in (elbo, ciwae(0.5), iwae(2), iwae(4))]
    assert values == sorted(values)
    assert values[-1] < evidence


def uniform_weights(program, x, repeats=1):
    """All states under a uniform guide, each equally often: draws without noise."""
    with torch.no_grad():
        for parameter in program.guide.encoder.heads[0].parameters():
            parameter.zero_()
    log_p, log_q, _ = (part.mT.repeat(repeats, 1) for part in of_states(program, x))
    return Weights(log_p, log_q, log_q, x.new_zeros(()), 1.0)


def exact_thermodynamic(objective):
    """sum_p (b_{p+1} - b_p) E_{pi_b}[log w] over all states."""

    def bound(program, x):
        log_p, log_q, _ = of_states(program, x)
        betas, total = objective.betas(), 0.0
        for b, end in zip(betas[:-1], betas[1:], strict=True):
            pi = ((1 - b) * log_q + b * log_p).softmax(-1)
            total = total + (end - b) * (pi * (log_p - log_q)).sum()
        return total

    return bound


@pytest.mark.parametrize("partitions", [1, 2, 6])
def test_the_thermodynamic_gradient_is_exact_in_the_limit(partitions):
    objective = Thermodynamic(partitions=partitions)
    with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
        loss = objective.of_weights(uniform_weights(program, BITS, repeats=10_000))
        assert loss.item() == pytest.approx(
            -exact_thermodynamic(objective)(program, BITS).item(), rel=IDENTITY
        )
        found = flat(
            torch.autograd.grad(
                loss, list(program.pair.model.parameters()) + list(program.guide.parameters())
            )
        )
        exact = exact_gradient(program, exact_thermodynamic(objective), BITS)
    assert relative_error(found, exact) < AUTODIFF


def test_the_thermodynamic_bound_lies_between_elbo_and_evidence():
    values = []
    for partitions in (1, 2, 4, 400):
        objective = Thermodynamic(partitions=partitions, beta_1=0.01)
        with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
            values.append(-objective.of_weights(uniform_weights(program, BITS)).item())
            lowest = elbo(of_states(program, BITS)).item()
            evidence = program.model.log_evidence(BITS).sum().item()
    assert values[0] == pytest.approx(lowest, rel=IDENTITY)
    assert values == sorted(values)
    assert values[-1] < evidence
    assert evidence - values[-1] < (evidence - lowest) / 50


def test_betas_are_even_on_the_log_scale():
    betas = torch.tensor(Thermodynamic(partitions=4, beta_1=0.001).betas())
    assert relative_error(betas, torch.tensor([0.0, 0.001, 0.01, 0.1, 1.0])) < IDENTITY


@pytest.mark.parametrize("objective", ANY_GUIDE + PATHS, ids=str)
def test_particles_side_by_side_equal_particles_in_a_loop(objective):
    steps = []
    with built(one_factor(), AmortisedNormal, objective, (REALS,)) as program:
        noise = torch.randn(DRAWS, len(REALS), 1)
        for change, given in ((lambda p: p, [noise]), (unvectorised, list(noise))):
            with ExplicitNoise(replay(given)):
                steps.append(step_of(change(program), (REALS,)))
    (loss, grads), (expected, exact) = steps
    assert loss.item() == pytest.approx(expected.item(), rel=IDENTITY)
    assert relative_error(flat(grads.values()), flat(exact.values())) < IDENTITY


@pytest.mark.parametrize("objective", ANY_GUIDE + PATHS + [MeasureValued()], ids=str)
def test_a_minibatch_counts_for_all_rows(objective):
    """Its gradient is N / batch times that of its rows alone, so its mean is that of all rows."""
    x = torch.cat([REALS, -REALS, 2 * REALS])
    steps = []
    for rows, picked in ((None, None), (len(x), torch.arange(2))):
        with built(one_factor(), AmortisedNormal, objective, (REALS,), rows=rows) as program:
            steps.append(step_of(program, (REALS,), rows=picked))
    (loss, grads), (scaled, scaled_grads) = steps
    assert scaled.item() == pytest.approx(3 * loss.item(), rel=IDENTITY)
    assert relative_error(flat(scaled_grads.values()), 3 * flat(grads.values())) < IDENTITY


@pytest.mark.thin(6)
@pytest.mark.parametrize("objective", ANY_GUIDE + [MeasureValued()], ids=str)
def test_captured_with_discrete_latents(objective):
    made, args = MODEL_CASES["bernoulli_latent"].make()
    with a_capture(made, guide_of("amortised_discrete"), args, objective) as found:
        assert equal_on_fresh_inputs(*found)


@pytest.mark.thin(8)
@pytest.mark.parametrize("objective", ANY_GUIDE + PATHS, ids=str)
def test_captured_with_shared_latents(objective):
    made, args = MODEL_CASES["eight_schools"].make()
    with a_capture(made, guide_of("mean_field"), args, objective) as found:
        assert equal_on_fresh_inputs(*found)


WRONG = [
    (VRMax, {"particles": 0}, "particles to be a whole number above 0; got 0"),
    (DoublyReparameterised, {"particles": 0}, "particles to be a whole number above 0; got 0"),
    (CIWAE, {"particles": 0}, "particles to be a whole number above 0; got 0"),
    (CIWAE, {"beta": 1.5}, "beta to be a finite number of at least 0 and of at most 1; got 1.5"),
    (MIWAE, {"M": 0}, "M to be a whole number above 0; got 0"),
    (PIWAE, {"K": 0}, "K to be a whole number above 0; got 0"),
    (TailAdaptive, {"particles": 1}, "particles to be a whole number of at least 2; got 1.*stl"),
    (TailAdaptive, {"beta": 0.5}, "beta to be a finite number of at most 0; got 0.5"),
    (Thermodynamic, {"particles": 1}, "particles to be a whole number of at least 2; got 1"),
    (Thermodynamic, {"partitions": 0}, "partitions to be a whole number above 0; got 0"),
    (Thermodynamic, {"beta_1": 1.0}, "beta_1 to be a finite number above 0 and below 1; got 1.0"),
]


@pytest.mark.parametrize(("kind", "fields", "sentence"), WRONG)
def test_wrong_fields_are_refused(kind, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**fields)
