"""The deep Markov model and its recurrent guide: lengths, the Kalman filter, what is read."""

from dataclasses import replace
from functools import partial
from itertools import product

import kalman
import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, MODEL_CASES, built, clock, scatter, standard_error
from joint import close, log_joint
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs

import zoo
from guides import AmortisedRecurrent
from zoo.data import chords, load_data
from zoo.latents import describe
from zoo.models.time_series.deep_markov import DeepMarkov
from zoo.models.time_series.emissions import LinearEmission
from zoo.models.time_series.transitions import GatedTransition, LinearTransition
from zoo.objectives import IWAE, MeanFieldKL, Trace

LENGTHS = (4, 2, 3, 1)


def linear():
    """A linear Gaussian model of four times, two states and three values."""
    model = DeepMarkov(4, 3, 2, 5, LinearTransition(2), LinearEmission(2, 3))
    scatter(model, spread=0.5)
    return model


def sequences():
    seen = (torch.arange(4) < torch.tensor(LENGTHS)[:, None]).double()
    return torch.randn(4, 4, 3) * seen[:, :, None], seen


def by_covariance(model, x, seen):
    """The linear model's evidence by the joint normal of all its values: (rows,)."""
    a, b = model.transition.linear.weight, model.transition.linear.bias
    c, d = model.emission.linear.weight, model.emission.linear.bias
    powers = [torch.linalg.matrix_power(a, t) for t in range(4)]
    scales = [torch.ones(2)] + 3 * [model.transition.log_scale.exp()]
    mix = torch.zeros(8, 8)
    for t, s in product(range(4), range(4)):
        if s <= t:
            mix[2 * t : 2 * t + 2, 2 * s : 2 * s + 2] = powers[t - s] @ scales[s].diag()
    means = [torch.zeros(2)]
    for _ in range(3):
        means.append(a @ means[-1] + b)
    seeing = torch.block_diag(*[c] * 4)
    mean = seeing @ torch.cat(means) + d.repeat(4)
    noise = (2 * model.emission.log_scale).exp().repeat(4).diag()
    cov = seeing @ mix @ mix.mT @ seeing.mT + noise
    rows = []
    for row, there in zip(x, seen, strict=True):
        n = 3 * int(there.sum())
        q = dist.MultivariateNormal(mean[:n], cov[:n, :n])
        rows.append(q.log_prob(row.reshape(-1)[:n]))
    return torch.stack(rows)


def test_the_filter_is_the_joint_normal():
    model, args = linear(), sequences()
    with torch.no_grad():
        close(kalman.log_evidence(model, *args), by_covariance(model, *args))


def test_the_joint_is_a_chain_up_to_a_rows_end():
    model, (x, seen) = MODEL_CASES["deep_markov"].make()
    z = torch.randn(3, len(x), 2)
    with torch.no_grad():
        found = log_joint(model, {f"z_{t}": z[t] for t in range(3)}, x, seen)
        expected = dist.Normal(0.0, 1.0).log_prob(z[0]).sum(-1)
        for t in range(3):
            here, rest = seen[:, t] > 0, dist.Normal(0.0, 1.0).log_prob(z[t]).sum(-1)
            moved = dist.Normal(*model.transition(z[t - 1])).log_prob(z[t]).sum(-1)
            expected = expected + (torch.where(here, moved, rest) if t else 0.0)
            heard = dist.Bernoulli(logits=model.emission.network(z[t])).log_prob(x[:, t]).sum(-1)
            expected = expected + torch.where(here, heard, 0.0)
    close(found, expected)


def test_importance_weights_find_the_filters_evidence():
    """By draws of a guide that is wider than the posterior, so that no weight is large."""
    model, args = linear(), sequences()
    with built(model, AmortisedRecurrent, Trace(), args) as program, torch.no_grad():
        program.guide.head.bias[2:] += 1.0
        exact = kalman.log_evidence(program.model, *args)
        wide = poutine.trace(partial(in_particles, program.guide, 40_000)).get_trace(*args)
        values = {name: site["value"] for name, site in latent(wide)}
        log_q = sum(site["fn"].log_prob(site["value"]) for _, site in latent(wide))
        log_w = log_joint(partial(in_particles, program.model, 40_000), values, *args) - log_q
    ratio = (log_w - exact).exp()
    assert ((ratio.mean(0) - 1).abs() < ERRORS * ratio.std(0) / len(ratio) ** 0.5).all()


def in_particles(fn, count, *args):
    with pyro.plate("particles", count, dim=-2):
        return fn(*args)


def latent(trace):
    return [(n, s) for n, s in trace.nodes.items() if s["type"] == "sample" and n[:2] == "z_"]


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [Trace(), MeanFieldKL()], ids=str)
def test_the_bound_is_below_the_filters_evidence(objective):
    model, args = linear(), sequences()
    with built(model, AmortisedRecurrent, objective, args) as program, torch.no_grad():
        exact = kalman.log_evidence(program.model, *args).sum()
        found = -torch.stack([program(clock(), None, *args) for _ in range(200)])
    with built(model, AmortisedRecurrent, IWAE(500), args) as program, torch.no_grad():
        tight = -torch.stack([program(clock(), None, *args) for _ in range(50)])
    assert found.mean() < exact + ERRORS * standard_error(found)
    assert tight.mean() < exact + ERRORS * standard_error(tight)
    assert exact - tight.mean() < exact - found.mean()


def test_what_comes_after_a_rows_end_is_not_read():
    model, (x, seen) = linear(), sequences()
    other = x + (1 - seen[:, :, None])
    with built(model, AmortisedRecurrent, MeanFieldKL(), (x, seen)) as program, torch.no_grad():
        values = []
        for rows in (x, other):
            torch.manual_seed(0)
            values.append(program(clock(), None, rows, seen))
        q = poutine.trace(program.guide).get_trace(x, seen).nodes["z_3"]["fn"]
    close(values[0], values[1])
    assert torch.equal(q.mean[1], torch.zeros(2))
    assert torch.equal(q.stddev[1], torch.ones(2))
    assert not torch.equal(q.mean[0], torch.zeros(2))


@pytest.mark.parametrize(("reads", "heard"), [("future", {2, 3}), ("past", {0, 1, 2})])
def test_which_times_a_state_is_told_of(reads, heard):
    """By the gradient of the mean of z_2, which is not linked to z_1 here."""
    model, args = linear(), sequences()
    x = args[0].clone().requires_grad_()
    family = partial(AmortisedRecurrent, reads=reads, chained=False)
    with built(model, family, Trace(), args) as program:
        q = poutine.trace(program.guide).get_trace(x, args[1]).nodes["z_2"]["fn"]
        (grad,) = torch.autograd.grad(q.mean[0].sum(), x)
    assert {t for t in range(4) if grad[0, t].any()} == heard
    assert not grad[1:].any()


@pytest.mark.exhaustive
@pytest.mark.parametrize("objective", [Trace(2), MeanFieldKL()], ids=str)
def test_captured_equals_plain(objective):
    made, args = MODEL_CASES["deep_markov"].make()
    with a_capture(made, AmortisedRecurrent, args, objective, batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_a_state_tends_to_stay_at_first():
    transition, z = GatedTransition(3, 4), torch.randn(5, 3)
    with torch.no_grad():
        transition.gate[-1].bias.fill_(-50.0)
        close(transition(z)[0], z)


def test_what_is_not_for_it_is_refused():
    made, args = MODEL_CASES["deep_markov"].make()
    latents = describe(made, *args)
    for other in (latents.select("z_0", "z_1"), replace(latents, row_widths=(12,))):
        with pytest.raises(ValueError, match="AmortisedRecurrent is for vectors of one size"):
            AmortisedRecurrent(other)
    with pytest.raises(ValueError, match="No reads 'both'|reads"):
        AmortisedRecurrent(latents, reads="both")
    with pytest.raises(ValueError, match="Expected length >= 2; got 1"):
        DeepMarkov(1, 4)
    for wrong, name in (((args[0][:, 1:], args[1]), "x"), ((args[0], args[1][:, 1:]), "seen")):
        with pytest.raises(ValueError, match=f"Expected {name} of shape"):
            made(*wrong)


def test_the_chords_evidence_is_a_sum_over_all_progressions():
    x, seen = (arg[:6] for arg in load_data("chords", seed=1).test)
    x, seen = x[:, :4], seen[:, :4] * torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    moves, chance = torch.tensor(chords.MOVES).double() / 10, chords.sounding()
    total = torch.zeros(6)
    for one, two in product(range(6), repeat=2):
        path = [0, one, two]
        notes = dist.Bernoulli(chance[path]).log_prob(x[:, :3]).sum((-1, -2)).exp()
        total = total + moves[0, one] * moves[one, two] * notes
    close(chords.log_evidence(x, seen), total.log())


def test_chords_move_as_they_are_said_to():
    assert all(sum(row) == 10 for row in chords.MOVES)
    x, seen = load_data("chords").train
    assert set(seen.sum(1).tolist()) == set(range(4, 11))
    assert not (x * (1 - seen[:, :, None])).any()
    first = x[:, 0].mean(0) - chords.sounding()[0]
    assert (first.abs() < ERRORS * x[:, 0].std(0) / len(x) ** 0.5).all()


def test_the_rows_of_digits_are_the_digits():
    rows, whole = load_data("digits_rows", seed=3), load_data("digits", seed=3)
    for part, one in ((rows.train, whole.train), (rows.test, whole.test)):
        assert torch.equal(part[0].flatten(1), one[0])
        assert part[1].all()


def test_a_fit_is_saved_and_loaded(tmp_path):
    task = zoo.load("deep_markov", latent=2)
    fit = zoo.fit(task, AmortisedRecurrent, steps=2, device="cpu", compile=False)
    zoo.save(fit, tmp_path / "fit")
    again = zoo.load_fit(tmp_path / "fit")
    with torch.no_grad():
        z = torch.randn(3, 2)
        close(again.model.transition(z)[0], fit.model.transition(z)[0])
