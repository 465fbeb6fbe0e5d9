"""Gumbel-Rao: straight-through's mean with less variance; and a temperature that is learned."""

from functools import partial

import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, MODEL_CASES, built, scatter, standard_error, step_of
from network_of_causes import batch_gradients, causes
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch.distributions import Gumbel
from torch.nn.functional import one_hot

import zoo
from guides import Relaxed, guide_named
from guides.parts.gumbel_rao import (
    GumbelRaoBernoulli,
    GumbelRaoOneHotCategorical,
    gumbel_given,
    logistic_given,
)
from zoo.gradients.sampler import gradient_draws
from zoo.latents import describe
from zoo.objectives import IWAE, MeanFieldKL, Trace
from zoo.optim.schedules import Exponential

MODELS = ["bernoulli_latent", "categorical_vae"]
ROWS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
STRAIGHT = partial(Relaxed, straight_through=True)
RAO = partial(Relaxed, straight_through=True, rao=20)
DRAWS = 4000


def is_discrete(value, name):
    corners = ((value == 0) | (value == 1)).all()
    return corners and (name == "bernoulli_latent" or (value.sum(-1) == 1).all())


@pytest.mark.parametrize("name", MODELS)
def test_draws_are_discrete_and_carry_their_relaxed_values(name, device):
    made, (x,) = MODEL_CASES[name].make(device)
    with built(made, RAO, Trace(), (x,), device=device) as program:
        (traces,) = program.pair.draw(3, (x,), {})
        value = traces.guide.nodes["z"]["value"]
        assert is_discrete(value, name)
        assert value.requires_grad
        assert value._unquantize.shape == (20, *value.shape)
        kinds = (GumbelRaoBernoulli, GumbelRaoOneHotCategorical)
        assert isinstance(traces.model.nodes["z"]["fn"].base_dist, kinds)
        program.eval()
        (traces,) = program.pair.draw(3, (x,), {})
        assert is_discrete(traces.guide.nodes["z"]["value"], name)
        assert not isinstance(traces.guide.nodes["z"]["fn"].base_dist, kinds)


@pytest.mark.parametrize("name", MODELS)
def test_relaxed_values_round_to_the_draw(name):
    made, (x,) = MODEL_CASES[name].make()
    with built(made, RAO, Trace(), (x,)) as program:
        scatter(program.guide, spread=1.0)
        value = program.guide(x)["z"]
        soft = value._unquantize
    if name == "bernoulli_latent":
        assert torch.equal(soft.round(), value.expand_as(soft))
    else:
        assert torch.equal(soft.argmax(-1), value.argmax(-1).expand(soft.shape[:-1]))


def test_conditional_logistic_noise_is_rejection_sampled_noise():
    """Given z = 1: the mean and the spread of the noise that came out so."""
    logit = torch.tensor(-0.7)
    e = torch.rand(200_000).logit()
    for bit in (0.0, 1.0):
        accepted = e[(e + logit > 0) == bool(bit)]
        found = logistic_given(torch.tensor(bit), (-logit).sigmoid(), 100_000)
        assert ((found + logit > 0) == bool(bit)).all()
        same_moments(found, accepted)


def test_conditional_gumbel_noise_is_rejection_sampled_noise():
    logits = torch.tensor([0.5, -1.0, 0.2]).log_softmax(-1)
    g = Gumbel(0.0, 1.0).sample((300_000, 3))
    winner = (g + logits).argmax(-1)
    for k in range(3):
        hard = one_hot(torch.tensor(k), 3).to(logits)
        found = gumbel_given(hard, logits, 60_000)
        assert ((found + logits).argmax(-1) == k).all()
        same_moments(found, g[winner == k])


def same_moments(one, two):
    for power in (1, 2):
        gap = (one**power).mean(0) - (two**power).mean(0)
        error = standard_error(one**power) ** 2 + standard_error(two**power) ** 2
        assert (gap.abs() < ERRORS * error.sqrt()).all()


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("objective", [Trace(), MeanFieldKL()], ids=str)
def test_the_mean_of_straight_through_with_less_variance(name, objective):
    made, (x,) = MODEL_CASES[name].make(rows=2)
    found = {}
    for guide in (STRAIGHT, RAO):
        with built(made, partial(guide, temperature=0.3), objective, (x,)) as program:
            scatter(program, spread=0.5)
            size = sum(p.numel() for p in program.guide.parameters())
            found[guide] = batch_gradients(program, x, batches=60, copies=150)[:, -size:]
    gap = found[RAO].mean(0) - found[STRAIGHT].mean(0)
    error = sum(standard_error(each) ** 2 for each in found.values()).sqrt()
    assert (gap.abs() < ERRORS * error.clamp(min=1e-12)).all()
    spread = {guide: each.var(0).sum() for guide, each in found.items()}
    assert spread[RAO] < 0.8 * spread[STRAIGHT]


def test_many_draws_give_the_gradient_in_closed_form():
    """As R grows, the conditional mean of dz/dl is an integral over the noise's quantiles."""
    tau, logit = torch.tensor(0.6), torch.tensor(0.4, requires_grad=True)
    q = GumbelRaoBernoulli(tau, logit, 200_000)
    value = q.rsample()
    (found,) = torch.autograd.grad(value, logit)
    off = (-logit.detach()).sigmoid()
    v = (torch.arange(200_000) + 0.5) / 200_000
    u = off + v * (1 - off) if value.item() else v * off
    z = ((logit.detach() + u.logit()) / tau).sigmoid()
    slopes = z * (1 - z) / tau
    assert (found - slopes.mean()).abs() < ERRORS * slopes.std() / 200_000**0.5


@pytest.mark.parametrize("name", MODELS)
def test_frequencies_are_those_of_the_logits_at_any_temperature(name):
    made, (x,) = MODEL_CASES[name].make(rows=1)
    for temperature in (1e-3, 1.0):
        with built(made, partial(RAO, temperature=temperature), Trace(), (x,)) as program:
            scatter(program.guide, spread=0.5)
            with torch.no_grad():
                (logits,) = program.guide.encoder((x,))
                draws = program.guide(x.expand(DRAWS, -1))["z"]
        if name == "bernoulli_latent":
            chance = logits.sigmoid().reshape(3)
        else:
            chance = logits.reshape(2, 3).softmax(-1)
        error = (chance * (1 - chance) / DRAWS).sqrt()
        assert ((draws.mean(0) - chance).abs() < ERRORS * error).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_density_is_the_mean_over_the_relaxed_values(name):
    made, (x,) = MODEL_CASES[name].make()
    with built(made, partial(RAO, temperature=0.7), Trace(), (x,)) as program:
        (traces,) = program.pair.draw(1, (x,), {})
        for trace in traces:
            q, value = trace.nodes["z"]["fn"], trace.nodes["z"]["value"]
            one_by_one = torch.stack([q.log_prob(soft) for soft in value._unquantize])
            error = (one_by_one.mean(0) - trace.nodes["z"]["log_prob"]).abs()
            assert (error < IDENTITY * one_by_one.abs().mean(0)).all()


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", MODELS)
def test_captured_equals_plain(name):
    made, args = MODEL_CASES[name].make(rows=4)
    family = partial(Relaxed, straight_through=True, rao=3, learned=True)
    with a_capture(made, family, args, IWAE(2), batch=2) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_replicas_have_noise_of_their_own(name):
    made, args = MODEL_CASES[name].make(rows=4)
    with a_capture(made, RAO, args, Trace()) as (_, program, rows):
        found = gradient_draws(program, rows, 32).gradients
    assert len(found.unique(dim=0)) == 32


def test_the_table_has_ten_draws():
    family = guide_named("gumbel_rao")
    with built(causes(), family, Trace(), (ROWS,)) as program:
        assert (program.guide.rao, program.guide.straight_through) == (10, True)


@pytest.mark.parametrize("options", [{}, {"straight_through": True}, dict(RAO.keywords)], ids=str)
def test_a_learned_temperature_follows_the_loss(options):
    """Its gradient is the loss's slope in log tau, by differences at the same noise."""
    family = partial(Relaxed, temperature=0.8, learned=True, **options)
    with built(causes(), family, MeanFieldKL(), (ROWS,)) as program:
        log_tau = program.guide.log_temperature
        with torch.no_grad():
            log_tau.copy_(torch.tensor(0.8).log())
        assert program.guide.tau.item() == pytest.approx(0.8, rel=IDENTITY)
        _, grads = step_of(program, (ROWS,), seed=4)
        (found,) = (grad for name, grad in grads.items() if name.endswith("log_temperature"))
        if options:  # the loss itself sees discrete values only
            assert found.abs() > 0
            return
        losses = []
        for move in (1e-5, -1e-5):
            with torch.no_grad():
                log_tau.copy_(torch.tensor(0.8).log() + move)
            losses.append(step_of(program, (ROWS,), seed=4)[0])
    assert found.item() == pytest.approx(((losses[0] - losses[1]) / 2e-5).item(), rel=AUTODIFF)


def test_a_learned_temperature_moves_and_comes_back():
    made, (x,) = MODEL_CASES["bernoulli_latent"].make()
    family = partial(Relaxed, temperature=0.8, learned=True)
    fitted = zoo.fit(made, family, x, steps=20, lr=0.05, device="cpu", compile=False)
    assert 0 < fitted.guide.tau.item() != pytest.approx(0.8, rel=1e-3)
    q = poutine.trace(fitted.guide.train()).get_trace(x).nodes["z"]["fn"].base_dist
    assert q.temperature.item() == fitted.guide.tau.item()
    assert "log_temperature" in fitted.guide.state_dict()
    fixed = Relaxed(describe(made, x))
    assert fixed.log_temperature is None
    assert fixed.tau is fixed.temperature


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rao": -1, "straight_through": True}, "rao of at least 0.*got rao=-1"),
        ({"rao": 5}, "0 unless straight_through; got rao=5, straight_through=False"),
        ({"temperature": Exponential(1.0, 0.1, 0.3), "learned": True}, "got the schedule Expon"),
        (
            {"temperature": -1.0, "learned": True},
            "temperature to be a finite number above 0; got -1.0",
        ),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Relaxed(describe(causes(), ROWS), **options)
