"""Markovian score climbing: its kernel, its chains, and what it finds with two particles."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    clock,
    flat,
    guide_of,
    relative_error,
    step_of,
)
from estimates import unbiased
from finite_models import Table, seeded
from network_of_causes import (
    COPIES,
    ROWS,
    K,
    causes,
    exact_elbo,
    exact_gradient,
    largest_z,
    log_densities,
    parameters,
)
from small_tasks import ppca_task
from steps import a_capture, equal_on_fresh_inputs
from test_estimators_wake_sleep import inclusive
from torch import nn

import zoo
from guides import AmortisedDiscrete, AmortisedNormal
from zoo.models.exact_sums import states
from zoo.objectives import ForwardKL, MarkovianScoreClimbing, ReweightedWakeSleep
from zoo.pairing.mismatch import PairingError


def posterior_draws(program, x):
    """Exact draws of the causes of every row."""
    log_p, _ = log_densities(program, x)
    return states(K)[torch.distributions.Categorical(logits=log_p).sample()]


def arrive(program, x):
    """Puts every chain at a draw of the posterior."""
    program.state.state_0 = posterior_draws(program, x)
    program.state.begun = torch.ones_like(program.state.begun)


@pytest.mark.thin(2)
@pytest.mark.parametrize("particles", [2, 5])
def test_chains_that_have_arrived_give_the_exact_gradient(particles):
    """Of log p(x) in the model, of the inclusive divergence in the guide; no bias of weights."""
    wide, found = ROWS.repeat(COPIES, 1), []
    objective = MarkovianScoreClimbing(particles)
    with built(causes(), AmortisedDiscrete, objective, (wide,)) as program:
        exact = exact_gradient(program, inclusive, ROWS)
        for _ in range(60):
            arrive(program, wide)
            program.zero_grad(set_to_none=True)
            program.backward(clock(), None, wide)
            found.append(flat(p.grad for p in parameters(program)) / COPIES)
    found = torch.stack(found)
    assert unbiased(found, exact)


def test_its_kernel_leaves_the_posterior_as_it_is():
    """Chains that start at exact draws are at exact draws after three steps, and have moved."""
    wide, row = ROWS[:1].repeat(20_000, 1), ROWS[:1]
    with built(causes(), AmortisedDiscrete, MarkovianScoreClimbing(2), (wide,)) as program:
        arrive(program, wide)
        before = program.state.of("z").clone()
        with torch.no_grad():
            for _ in range(3):
                program(clock(), None, wide)
        found = program.state.of("z")
        log_p, _ = log_densities(program, row)
    mean = log_p.softmax(-1) @ states(K)
    both = (log_p.softmax(-1)[0, :, None, None] * states(K)[:, :, None] * states(K)[:, None]).sum(
        0
    )
    assert (found != before).any(-1).double().mean() > 0.3
    assert largest_z(found, mean[0].detach()) < ERRORS
    pairs = (found[:, :, None] * found[:, None]).flatten(1)
    assert largest_z(pairs, both.flatten().detach()) < ERRORS


def test_the_first_step_is_that_of_the_inclusive_divergence():
    """Chains start at draws of the guide. The values differ: its own is of the other draws."""
    steps = []
    for objective in (ForwardKL(3), MarkovianScoreClimbing(3)):
        with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
            steps.append(step_of(program, (ROWS,)))
    (_, plain), (_, found) = steps
    assert relative_error(flat(found.values()), flat(plain.values())) < IDENTITY


def test_its_value_is_the_bound_of_the_fresh_draws():
    wide = ROWS.repeat(100, 1)
    with built(causes(), AmortisedDiscrete, MarkovianScoreClimbing(2), (wide,)) as program:
        elbo = 100 * exact_elbo(program, ROWS).detach()
        arrive(program, wide)
        with torch.no_grad():
            losses = torch.stack([program(clock(), None, wide) for _ in range(60)])
    assert largest_z(-losses[:, None], elbo) < ERRORS
    assert MarkovianScoreClimbing().value_is_bound


def test_the_rows_of_a_minibatch_move_and_no_others():
    x, rows = ROWS.repeat(10, 1), torch.tensor([3, 0, 11])
    program_of = built(causes(), AmortisedDiscrete, MarkovianScoreClimbing(4), (ROWS,), rows=20)
    with program_of as program:
        assert program.state.of("z").shape == (20, K)
        program.backward(clock(), rows, x[rows])
        assert program.state.begun.nonzero().flatten().tolist() == [0, 3, 11]
        kept = program.state.of("z").clone()
        other = torch.tensor([5, 3])
        for _ in range(20):
            program.backward(clock(), other, x[other])
        moved = (program.state.of("z") != kept).any(-1)
        assert moved.nonzero().flatten().tolist() == [3, 5]


def test_a_chain_that_is_far_better_than_the_draws_of_the_guide_stays():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z, 0.001), obs=x)

    def guide(x):
        loc = pyro.param("loc", torch.zeros(()))
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(loc.expand(len(x)), 0.01))

    x = torch.full((4,), 0.5)
    with built(model, guide, MarkovianScoreClimbing(3), (x,)) as program:
        program.state.state_0, program.state.begun = x.clone(), torch.ones(4, dtype=torch.int64)
        program.backward(clock(), None, x)
        assert torch.equal(program.state.of("z"), x)
        (loc,) = program.store.values  # the whole weight is on the chains: minus d log q / d loc
        pull = -((x - loc) / 0.01**2).sum().detach()
        assert float(loc.grad) == pytest.approx(float(pull), rel=IDENTITY)


def test_outside_of_training_there_are_no_chains():
    with built(seeded(causes), AmortisedDiscrete, MarkovianScoreClimbing(3), (ROWS,)) as program:
        arrive(program, ROWS)
        before = program.state.of("z").clone()
        program.state.eval()
        other = ROWS.repeat(9, 1)
        loss, grads = step_of(program, (other,))
        assert torch.equal(program.state.of("z"), before)
    with built(seeded(causes), AmortisedDiscrete, ForwardKL(3), (ROWS,)) as program:
        _, plain = step_of(program, (other,))
    assert loss.isfinite()
    assert relative_error(flat(grads.values()), flat(plain.values())) < IDENTITY


class Correlated(nn.Module):
    """Two latents of each row, z2 near z1, whose sum is seen: a correlated normal posterior."""

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z1 = pyro.sample("z1", dist.Normal(x.new_zeros(len(x)), 1.0))
            z2 = pyro.sample("z2", dist.Normal(z1, 0.5))
            pyro.sample("x", dist.Normal(z1 + z2, 1.0), obs=x)


class Apart(nn.Module):
    """q(z1) q(z2), the same for every row."""

    def __init__(self):
        super().__init__()
        self.mean, self.log_sd = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            for i, name in enumerate(("z1", "z2")):
                loc, sd = self.mean[i].expand(len(x)), self.log_sd[i].exp()
                pyro.sample(name, dist.Normal(loc, sd))


def test_two_particles_find_the_moments_where_weights_alone_do_not():
    """Rows are alike: each is a chain for the same q, whose optimum has the exact moments."""
    x, found = torch.full((500,), 2.0), {}
    precision = torch.tensor([[1 + 4.0 + 1, -4.0 + 1], [-4.0 + 1, 4.0 + 1]])
    covariance = precision.inverse()
    exact = torch.cat((covariance @ torch.full((2,), 2.0), covariance.diagonal().sqrt().log()))
    for objective in (MarkovianScoreClimbing(2), ReweightedWakeSleep(2, sleep=0.0)):
        settings = {"steps": 300, "lr": 0.04, "batch_size": None, "compile": False}
        fit = zoo.fit(Correlated(), Apart(), x, objective=objective, **settings)
        guide = fit.program.guide
        found[type(objective)] = torch.cat((guide.mean, guide.log_sd)).detach()
    off = {kind: (value.to(exact) - exact).norm() for kind, value in found.items()}
    assert off[MarkovianScoreClimbing] < 0.25 * off[ReweightedWakeSleep]
    narrow = found[ReweightedWakeSleep][2:] - exact[2:].to(found[ReweightedWakeSleep])
    assert (narrow < 0).all()


def test_a_fit_goes_on_as_if_it_had_not_stopped(tmp_path):
    given, settings = ppca_task(), {"objective": MarkovianScoreClimbing(3), "batch_size": 8}
    whole = zoo.fit(given, AmortisedNormal, steps=12, **settings)
    half = zoo.fit(given, AmortisedNormal, steps=6, checkpoint=tmp_path, **settings)
    again = zoo.fit(given, AmortisedNormal, steps=12, resume=tmp_path, **settings)
    assert 0 < int(half.program.state.begun.sum()) <= 40
    assert torch.equal(again.model.weight, whole.model.weight)
    assert torch.equal(again.program.state.of("z"), whole.program.state.of("z"))


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("model", "guide"), [(causes, AmortisedDiscrete), (lambda: seeded(Table), AmortisedDiscrete)]
)
def test_a_captured_step_equals_the_plain_one(model, guide):
    """The chains after it too; the first step of rows, and one that goes on."""
    x = ROWS.repeat(4, 1)
    with a_capture(model(), guide, (x,), MarkovianScoreClimbing(3), batch=4) as found:
        assert equal_on_fresh_inputs(*found)
        assert equal_on_fresh_inputs(*found, steps=(2.0,))
        assert found[1].state.begun.any()


@pytest.mark.parametrize("name", ["eight_schools", "varying_intercepts"])
def test_latents_that_rows_share_have_one_chain(name):
    guide = {"varying_intercepts": "mean_field+amortised_normal"}.get(name, "mean_field")
    model, args = MODEL_CASES[name].make()
    with built(model, guide_of(guide), MarkovianScoreClimbing(3), args) as program:
        assert program.state.begun.shape == (1,)
        for _ in range(3):
            loss, grads = step_of(program, args)
            assert loss.isfinite()
            assert all(grad.isfinite().all() for grad in grads.values())
        for site in program.latents.sites:
            shape = (*site.batch_shape, *site.event_shape)
            assert program.state.of(site.name).shape == shape
        assert bool(program.state.begun)


def test_what_it_does_not_take_is_refused():
    with pytest.raises(ValueError, match="particles.*1.*chain's state"):
        MarkovianScoreClimbing(1)
    model, args = MODEL_CASES["eight_schools"].make()
    with pytest.raises(PairingError, match="FullRank draws a vector that they are parts of"):
        built(model, guide_of("full_rank"), MarkovianScoreClimbing(), args).__enter__()

    def unsized(x):
        with pyro.plate("data"):
            z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("data"):
            pyro.sample("z", dist.Normal(pyro.param("m", torch.zeros(3)), 1.0))

    with pytest.raises(PairingError, match="has no size"):
        built(unsized, guide, MarkovianScoreClimbing(), (torch.zeros(3),)).__enter__()
