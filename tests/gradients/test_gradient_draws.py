"""Many gradients at once are many gradients: the same distribution, and nothing shared."""

import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, flat, guide_of, standard_error
from steps import a_program, moving

from zoo.gradients import sampler as engine
from zoo.gradients.sampler import gradient_draws
from zoo.objectives import IWAE, Enumerate, Trace, TraceGraph
from zoo.optim.schedules import Linear

DRAWS = 3000
PLAIN = 600
CASES = {
    "reparameterised": ("ppca", "amortised_normal", Trace()),
    "score function": ("bernoulli_latent", "amortised_discrete", TraceGraph()),
    "importance-weighted": ("eight_schools", "mean_field", IWAE(3)),
}


def plain_gradients(program, rows, count, *, step=0):
    parameters, losses, found = moving(program), [], []
    picked = None if rows.order is None else rows.order.block(step, 1)[0]
    for _ in range(count):
        program.zero_grad(set_to_none=False)
        number = torch.tensor(float(step))
        losses.append(program.backward(number, picked, *rows.take(picked)).detach())
        found.append(flat(p.grad for p in parameters))
    return torch.stack(losses), torch.stack(found)


def same_distribution(found, exact):
    """Means, and variances as means of squared deviations, within five standard errors."""
    for values in ((found, exact), ((found - found.mean(0)) ** 2, (exact - exact.mean(0)) ** 2)):
        error = (standard_error(values[0]) ** 2 + standard_error(values[1]) ** 2).sqrt()
        assert ((values[0].mean(0) - values[1].mean(0)).abs() <= ERRORS * error).all()
    return True


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_draws_are_distributed_as_plain_gradients(name):
    model, guide, objective = CASES[name]
    made, args = MODEL_CASES[model].make()
    with a_program(made, guide_of(guide), args, objective) as (program, rows, parameters):
        draws = gradient_draws(program, rows, DRAWS, seed=1)
        losses, exact = plain_gradients(program, rows, PLAIN)
    size = sum(parameter.numel() for parameter in parameters)
    assert draws.losses.shape == (DRAWS,)
    assert draws.gradients.shape == (DRAWS, size)
    assert same_distribution(draws.losses, losses)
    assert same_distribution(draws.gradients, exact)
    assert draws.losses.unique().numel() > DRAWS / 100


def test_neighbouring_draws_are_independent():
    made, args = MODEL_CASES["ppca"].make()
    with a_program(made, guide_of("amortised_normal"), args) as (program, rows, _):
        losses = gradient_draws(program, rows, DRAWS).losses
    assert losses.unique().numel() == DRAWS
    unit = (losses - losses.mean()) / losses.std()
    for lag in (1, 2, 7):
        assert (unit[lag:] * unit[:-lag]).mean().abs() < ERRORS / DRAWS**0.5


def test_columns_belong_to_the_parameters_that_the_layout_names():
    made, args = MODEL_CASES["bernoulli_latent"].make()
    with a_program(made, guide_of("empty"), args, Enumerate()) as (program, rows, _):
        draws = gradient_draws(program, rows, 2)
        program.zero_grad()
        program.backward(torch.tensor(0.0), None, *args)
        named = dict(program.named_parameters())
        parts = draws.layout.split(draws.gradients[0])
        assert list(parts) == list(named)
        for name, part in parts.items():
            assert torch.allclose(part, named[name].grad, rtol=IDENTITY, atol=0)


def test_exact_gradients_have_no_variance():
    made, args = MODEL_CASES["bernoulli_latent"].make()
    with a_program(made, guide_of("empty"), args, Enumerate()) as (program, rows, _):
        draws = gradient_draws(program, rows, 5)
    assert draws.gradients.shape[0] == draws.losses.shape[0] == 5
    assert (draws.gradients == draws.gradients[0]).all()
    assert (draws.losses == draws.losses[0]).all()
    assert draws.gradients.abs().max() > 0


@pytest.mark.thorough
@pytest.mark.parametrize("draws", [1, 7, 10])
def test_chunks_make_up_the_draws_asked_for(draws, monkeypatch):
    """Cut into chunks of three; other numbers of the same distribution."""
    made, args = MODEL_CASES["ppca"].make()
    with a_program(made, guide_of("amortised_normal"), args) as (program, rows, parameters):
        size = sum(parameter.numel() for parameter in parameters)
        whole = gradient_draws(program, rows, 400)
        monkeypatch.setattr(engine, "CHUNK", 3 * size)
        found = gradient_draws(program, rows, draws)
        many = gradient_draws(program, rows, 400)
    assert found.gradients.shape == (draws, size)
    assert found.losses.unique().numel() == draws
    assert same_distribution(many.losses, whole.losses)
    assert same_distribution(many.gradients, whole.gradients)


@pytest.mark.thorough
def test_the_seed_fixes_the_draws():
    made, args = MODEL_CASES["ppca"].make()
    with a_program(made, guide_of("amortised_normal"), args) as (program, rows, _):
        before = torch.get_rng_state()
        first, again = (gradient_draws(program, rows, 4, seed=3) for _ in range(2))
        other = gradient_draws(program, rows, 4, seed=4)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.gradients, again.gradients)
    assert not torch.equal(first.gradients, other.gradients)


def test_the_step_chooses_rows_and_schedules():
    made, args = MODEL_CASES["bernoulli_latent"].make()
    warm_up = Linear(0.0, 1.0, 4)
    settings = {"batch": 3, "kl_weight": warm_up}
    family = guide_of("amortised_discrete")
    with a_program(made, family, args, Enumerate(), **settings) as (program, rows, _):
        for step in (0, 3):
            draws = gradient_draws(program, rows, 2, step=step)
            losses, exact = plain_gradients(program, rows, 1, step=step)
            assert torch.allclose(draws.losses, losses.expand(2), rtol=IDENTITY, atol=0)
            error = (draws.gradients - exact).abs().max()
            assert error <= IDENTITY * exact.abs().max()


@pytest.mark.parametrize("draws", [0, -1])
def test_no_draws_are_refused(draws):
    made, args = MODEL_CASES["ppca"].make()
    with (
        a_program(made, guide_of("amortised_normal"), args) as (program, rows, _),
        pytest.raises(ValueError, match=f"at least 1 draw; got {draws}"),
    ):
        gradient_draws(program, rows, draws)
