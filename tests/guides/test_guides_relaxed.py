"""The relaxed guides: discrete when cold or in eval mode, and a bound for the relaxed model."""

from functools import partial

import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, clock, scatter, standard_error
from pyro import poutine
from torch import nn
from torch.distributions import Bernoulli, Categorical, kl_divergence

import zoo
from guides import Relaxed
from zoo.latents import describe
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.objectives import IWAE, Trace
from zoo.optim.schedules import Exponential

MODELS = ["bernoulli_latent", "categorical_vae"]
DRAWS = 4000


def is_discrete(value, name):
    corners = ((value == 0) | (value == 1)).all()
    return corners and (name == "bernoulli_latent" or (value.sum(-1) == 1).all())


@pytest.mark.parametrize("straight_through", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_draws(name, straight_through, device):
    made, (x,) = MODEL_CASES[name].make(device)
    family = partial(Relaxed, straight_through=straight_through)
    with built(made, family, Trace(), (x,), device=device) as program:
        value = program.guide(x)["z"]
        assert is_discrete(value, name) == straight_through
        assert ((value >= 0) & (value <= 1)).all()
        assert value.requires_grad
        prior = program.pair.draw(1, (x,), {})[0].model.nodes["z"]["fn"]
        assert type(prior.base_dist).__name__.startswith("Relaxed")
        program.eval()
        value = program.guide(x)["z"]
        assert is_discrete(value, name)
        assert program.pair.model is program.model
        prior = program.pair.draw(1, (x,), {})[0].model.nodes["z"]["fn"]
        assert not type(prior.base_dist).__name__.startswith("Relaxed")


@pytest.mark.parametrize("straight_through", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_cold_draws_have_the_frequencies_of_the_logits(name, straight_through):
    made, (x,) = MODEL_CASES[name].make(rows=1)
    family = partial(Relaxed, temperature=1e-3, straight_through=straight_through)
    with built(made, family, Trace(), (x,)) as program, torch.no_grad():
        scatter(program.guide, spread=0.5)
        (logits,) = program.guide.encoder((x,))
        draws = program.guide(x.expand(DRAWS, -1))["z"]
    if name == "bernoulli_latent":
        chance = logits.sigmoid().reshape(3)
    else:
        chance = logits.reshape(2, 3).softmax(-1)
    error = (chance * (1 - chance) / DRAWS).sqrt()
    assert ((draws.mean(0) - chance).abs() < ERRORS * error).all()
    assert (chance.max() - chance.min()) > 20 * error.max()


def test_the_temperature_moves_with_the_step():
    schedule = Exponential(1.0, 0.1, 0.3)
    made, (x,) = MODEL_CASES["bernoulli_latent"].make()
    with built(made, partial(Relaxed, temperature=schedule), Trace(), (x,)) as program:
        assert program.guide.temperature.item() == 1.0
        for step in (0.0, 3.0, 100.0):
            program.backward(clock(step=step), None, x)
            expected = schedule(torch.tensor(step)).item()
            assert program.guide.temperature.item() == pytest.approx(expected, rel=IDENTITY)
            assert program.guide.state_dict()["temperature"].item() == pytest.approx(expected)
    fitted = zoo.fit(made, partial(Relaxed, temperature=schedule), x, steps=5, device="cpu")
    last = schedule(torch.tensor(4.0)).item()
    assert fitted.guide.temperature.item() == pytest.approx(last, rel=IDENTITY)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_makes_no_sense(temperature):
    made, (x,) = MODEL_CASES["bernoulli_latent"].make()
    with pytest.raises(ValueError, match=f"temperature to be .* above 0; got {temperature}"):
        Relaxed(describe(made, x), temperature)


def one_cause():
    model = BernoulliLatent(3, (4,), 1)
    scatter(model, spread=1.0)
    return model, torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])


def relaxed_evidence(model, x, temperature):
    """log of the integral of p(x | z) over the relaxed prior, by a fine grid of its noise."""
    u = (torch.arange(200_000) + 0.5) / 200_000
    z = torch.sigmoid((model.prior_logits + u.logit()) / temperature)
    log_p = Bernoulli(logits=model.decode(z[:, None])).log_prob(x[:, None]).sum(-1)
    return log_p.logsumexp(-1) - torch.tensor(200_000.0).log()


@pytest.mark.thin(2)
@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_it_is_a_bound_on_the_relaxed_model(temperature):
    """And a tight one with many particles, so it is that model's and no other's."""
    model, x = one_cause()
    family, found = partial(Relaxed, temperature=temperature, body=nn.Identity()), {}
    for objective in (Trace(), IWAE(200)):
        with built(model, family, objective, (x,)) as program, torch.no_grad():
            exact = relaxed_evidence(program.model, x, temperature).sum()
            losses = [program(clock(), None, x) for _ in range(500)]
            found[type(objective)] = -torch.stack(losses)
    for bound in found.values():
        assert bound.mean() < exact + ERRORS * standard_error(bound)
    error = sum(standard_error(bound) for bound in found.values())
    assert found[IWAE].mean() - found[Trace].mean() > ERRORS * error
    discrete = program.model.log_evidence(x).sum()
    assert (discrete - exact).abs() > 10 * (exact - found[IWAE].mean()).abs()


@pytest.mark.parametrize("name", MODELS)
def test_in_eval_mode_the_bound_is_the_true_models(name):
    made, (x,) = MODEL_CASES[name].make()
    with built(made, Relaxed, Trace(), (x,)) as program, torch.no_grad():
        program.eval()
        trace = program.pair.draw(1, (x,), {})[0]
        z = trace.model.nodes["z"]["value"]
        expected = poutine.trace(poutine.condition(program.model, data={"z": z}))
        expected = expected.get_trace(x).log_prob_sum()
        assert trace.model.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)
        bounds = torch.stack([-program(clock(), None, x) for _ in range(500)])
        evidence = program.model.log_evidence(x).sum()
        assert bounds.mean() < evidence + ERRORS * standard_error(bounds)


@pytest.mark.parametrize("temperature", [1.0, 0.2])
@pytest.mark.parametrize("name", MODELS)
def test_the_relaxed_kl_exceeds_the_discrete_one(name, temperature):
    """By data processing: a relaxed draw tells more than its rounded value."""
    made, (x,) = MODEL_CASES[name].make()
    with built(made, partial(Relaxed, temperature=temperature), Trace(), (x,)) as program:
        scatter(program.guide, spread=0.5)
        with torch.no_grad():
            (traces,) = program.pair.draw(DRAWS, (x,), {})
            (logits,) = program.guide.encoder((x,))
        kl = traces.guide.nodes["z"]["log_prob"] - traces.model.nodes["z"]["log_prob"]
        kl = kl.sum(-1)
        if name == "bernoulli_latent":
            q = Bernoulli(logits=logits)
            p = Bernoulli(logits=program.model.prior_logits.expand_as(logits))
        else:
            q, p = Categorical(logits=logits.reshape(-1, 2, 3)), Categorical(torch.ones(3))
        discrete = kl_divergence(q, p).sum()
    assert kl.mean() - discrete > ERRORS * standard_error(kl)


def test_single_precision_is_as_good_as_double():
    """Saturated draws (z = 0 or 1 to rounding) must not spoil log q - log p."""
    made, (x,) = MODEL_CASES["bernoulli_latent"].make()
    kl = []
    for dtype in (torch.float64, torch.float32):
        with built(made, partial(Relaxed, temperature=0.1), Trace(), (x,)) as program:
            scatter(program.guide, spread=0.5)
            program, rows = program.to(dtype), x.to(dtype)
            with torch.no_grad():
                (traces,) = program.pair.draw(DRAWS, (rows,), {})
        log_q, log_p = (trace.nodes["z"]["log_prob"].double() for trace in reversed(traces))
        assert traces.guide.nodes["z"]["value"].dtype == dtype
        kl.append((log_q - log_p).sum(-1))
    error = (standard_error(kl[0]) ** 2 + standard_error(kl[1]) ** 2).sqrt()
    assert (kl[0].mean() - kl[1].mean()).abs() < ERRORS * error
