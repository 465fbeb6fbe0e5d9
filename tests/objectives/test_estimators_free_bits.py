"""Free bits: the KL term of a group counts no less than its floor, and is free below it."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, clock, guide_of, relative_error, step_of
from torch.distributions import kl_divergence
from torch.testing import assert_close

from guides import AmortisedNormal
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import FreeBits, MeanFieldKL
from zoo.optim.schedules import Constant

ROWS = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]])
PAIRS = [
    ("bernoulli_vae", "amortised_normal"),
    ("ppca", "amortised_full_rank"),
    ("gaussian_vae", "amortised_iaf"),
    ("eight_schools", "mean_field"),
    ("categorical_vae", "relaxed"),
]


def step(objective, model, guide, *, rows=None, kl_weight=None):
    """Loss and gradients; with `rows`, of a minibatch that stands for so many."""
    made, args = MODEL_CASES[model].make()
    picked = None if rows is None else torch.arange(len(args[0]))
    settings = {"rows": rows, "kl_weight": kl_weight}
    with built(made, guide_of(guide), objective, args, **settings) as program:
        return step_of(program, args, rows=picked)


def same(first, second):
    (loss, grads), (other, others) = first, second
    assert_close(loss, other, rtol=IDENTITY, atol=0)
    for name, grad in grads.items():
        assert relative_error(grad, others[name]) < IDENTITY, name
    return True


@pytest.mark.parametrize(("model", "guide"), PAIRS)
@pytest.mark.parametrize("particles", [1, 3])
def test_above_the_floor_it_is_the_elbo(model, guide, particles):
    found = step(FreeBits(particles, floor=1e-6), model, guide)
    assert same(found, step(MeanFieldKL(particles), model, guide))


@pytest.mark.parametrize(("model", "guide"), PAIRS[:3])
@pytest.mark.parametrize("rows", [None, 35])
def test_below_the_floor_the_likelihood_is_all_there_is(model, guide, rows):
    """The value pays for the floor of every row of the full data."""
    floor = 100.0
    loss, grads = step(FreeBits(floor=floor), model, guide, rows=rows)
    alone = step(MeanFieldKL(), model, guide, rows=rows, kl_weight=Constant(0.0))
    assert same((loss - floor * (rows or 7), grads), alone)


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_a_warm_up_weighs_floor_and_kl_alike(weight):
    model, guide = PAIRS[0]
    loss, _ = step(FreeBits(floor=100.0), model, guide, kl_weight=Constant(weight))
    alone, _ = step(MeanFieldKL(), model, guide, kl_weight=Constant(0.0))
    assert_close(loss - alone, torch.tensor(700.0 * weight), rtol=IDENTITY, atol=0)


def divergences(program, x):
    """KL( q(z_g | x_n) || p(z_g) ), (rows, dimensions), by its formula."""
    (output,) = program.guide.encoder((x,))
    loc, scale = program.guide._moments(output)
    return 0.5 * (loc**2 + scale**2 - 1) - scale.log()


def closed_form(program, x, floor, *, per_dimension):
    """E_q log p(x | z) from log p(x) - KL( q || posterior ) + KL( q || p ), and the floors."""
    (output,) = program.guide.encoder((x,))
    loc, scale = program.guide._moments(output)
    q = dist.MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    elbo = program.model.log_evidence(x) - kl_divergence(q, program.model.posterior(x)["z"])
    kl = divergences(program, x)
    groups = kl.mean(0) if per_dimension else kl.sum(-1).mean(0)
    return (elbo + kl.sum(-1)).sum() - len(x) * groups.clamp(min=floor).sum()


@pytest.mark.parametrize("per_dimension", [False, True])
@pytest.mark.parametrize("share", [0.8, 1.2])
def test_the_mean_gradient_is_exact(per_dimension, share):
    """The floor lies between the dimensions' divergences, or to either side of the site's."""
    with built(ProbabilisticPCA(3, 2), AmortisedNormal, FreeBits(), (ROWS,)) as program:
        kl = divergences(program, ROWS).mean(0).detach()
        floor = float(kl.mean() if per_dimension else kl.sum() * share)
        assert kl.min() < kl.mean() < kl.max()
        program.objective = FreeBits(floor=floor, per_dimension=per_dimension)
        parameters = [*program.model.parameters(), *program.guide.parameters()]
        bound = closed_form(program, ROWS, floor, per_dimension=per_dimension)
        exact = torch.cat([g.flatten() for g in torch.autograd.grad(-bound, parameters)])
        wide, draws = ROWS.repeat(400, 1), []
        for _ in range(40):
            program.zero_grad(set_to_none=True)
            loss = program.backward(clock(), None, wide)
            draws.append(torch.cat([loss.reshape(1), *(p.grad.flatten() for p in parameters)]))
    found = torch.stack(draws) / 400
    error = found.std(0) / len(found) ** 0.5
    expected = torch.cat([-bound.detach().reshape(1), exact])
    assert ((found.mean(0) - expected).abs() < ERRORS * error.clamp(min=1e-12)).all()
    assert error[1:].norm() < 0.2 * exact.norm()


def test_all_dimensions_above_their_floors_are_the_site():
    """Of rows, of other plates, and of relaxed bits alike."""
    for model, guide in (PAIRS[0], PAIRS[3], ("bernoulli_latent", "relaxed")):
        found = step(FreeBits(floor=1e-6, per_dimension=True), model, guide)
        assert same(found, step(MeanFieldKL(), model, guide))


def test_particles_in_a_loop_share_one_floor():
    """Sampled divergences are averaged before the floor; here a model that does not broadcast."""

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            assert z.dim() == 2
            pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)

    x = torch.randn(5)
    with built(model, guide_of("amortised_iaf"), FreeBits(3, floor=1e-6), (x,)) as program:
        assert not program.latents.vectorises
        found = step_of(program, (x,))
        program.objective = MeanFieldKL(3)
        assert same(found, step_of(program, (x,)))
        program.objective = FreeBits(3, floor=50.0)
        assert float(step_of(program, (x,))[0]) > 250


def test_it_is_at_most_the_elbo():
    for floor in (0.1, 1.0, 10.0):
        loss, _ = step(FreeBits(floor=floor), *PAIRS[0])
        assert loss >= step(MeanFieldKL(), *PAIRS[0])[0]


def test_dimensions_that_are_drawn_together_are_refused():
    sentence = "dimensions of 'z' to be independent.*per_dimension=False"
    with pytest.raises(ValueError, match=sentence):
        step(FreeBits(per_dimension=True), "ppca", "amortised_full_rank")


@pytest.mark.parametrize(("name", "value"), [("particles", 0), ("floor", 0.0), ("floor", -1.0)])
def test_settings_that_make_no_sense(name, value):
    with pytest.raises(ValueError, match=f"{name} to be a .* number above 0; got {value}"):
        FreeBits(**{name: value})
