"""Wake-sleep, reweighted wake-sleep and the inclusive divergence against sums over all states."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, built, clock, relative_error, step_of
from network_of_causes import (
    ROWS,
    batch_gradients,
    causes,
    exact_gradient,
    largest_z,
    log_densities,
    minibatch_gradients,
)
from pyro.infer import ReweightedWakeSleep as PyrosOwn
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

from guides import AmortisedDiscrete
from zoo.latents import describe
from zoo.latents.enumeration import joint_states
from zoo.models.exact_sums import states
from zoo.objectives.forward_kl import ForwardKL
from zoo.objectives.iwae import IWAE
from zoo.objectives.rws import ReweightedWakeSleep
from zoo.objectives.trace_graph import TraceGraph
from zoo.objectives.wake_sleep import WakeSleep
from zoo.traces import Assign, run, weigh


def layered(program, x):
    """log p(x, z) and log q(z | x) of every joint state, (rows, states), for any latents."""
    with Assign(joint_states(program.latents.sites, program.latents)):
        weights = weigh(
            [run(program.model, program.guide, (x,), {})], program.latents, rowwise=True
        )
    return weights.log_p.mT, weights.log_q.mT


def theta_of_elbo(program, x, densities=log_densities):
    """E_q log p(x, z): what theta follows in the wake phase."""
    log_p, log_q = densities(program, x)
    return (log_q.exp().detach() * log_p).sum()


def phi_of_simulated(program, x, densities=log_densities):
    """E log q(z | x) over p(x, z), by all data and all states, once a row."""
    log_p, log_q = densities(program, states(x.shape[1]).to(x))
    return len(x) * (log_p.exp().detach() * log_q).sum()


def wake_sleep(program, x, densities=log_densities):
    return theta_of_elbo(program, x, densities) + phi_of_simulated(program, x, densities)


def weighted_pairs(program, x, sleep=0.0):
    """The mean of both wake phases at K = 2, over all pairs of states."""
    log_p, log_q = log_densities(program, x)
    log_w = (log_p - log_q).detach()
    v = torch.sigmoid(log_w[:, :, None] - log_w[:, None, :])
    chance = (log_q[:, :, None] + log_q[:, None, :]).exp().detach()
    each = log_p + (1 - sleep) * log_q
    wake = (chance * (v * each[:, :, None] + (1 - v) * each[:, None, :])).sum()
    return wake + sleep * phi_of_simulated(program, x) if sleep else wake


def inclusive(program, x):
    """log p(x), and E log q(z | x) over the exact posterior."""
    log_p, log_q = log_densities(program, x)
    posterior = log_p.softmax(-1).detach()
    return (posterior * log_q).sum() + log_p.logsumexp(-1).sum()


NOISY = {
    "wake_sleep": (WakeSleep(), wake_sleep),
    "wake_sleep, 3 particles": (WakeSleep(3), wake_sleep),
    "rws": (ReweightedWakeSleep(2), partial(weighted_pairs, sleep=0.5)),
    "rws, awake": (ReweightedWakeSleep(2, sleep=0.0), weighted_pairs),
    "rws, asleep": (ReweightedWakeSleep(2, sleep=1.0), partial(weighted_pairs, sleep=1.0)),
    "forward_kl": (ForwardKL(2), weighted_pairs),
}


@pytest.mark.parametrize("name", NOISY)
def test_the_mean_gradient_is_the_sum_over_all_states(name, device):
    objective, bound = NOISY[name]
    x = ROWS.to(device)
    with built(causes(), AmortisedDiscrete, objective, (x,), device=device) as program:
        exact = exact_gradient(program, bound, x)
        found = batch_gradients(program, x, batches=40, copies=200)
        assert largest_z(found, exact) < ERRORS
        assert (found.std(0) / 40**0.5).norm() < 0.3 * exact.norm()


def test_a_minibatch_gradient_is_unbiased_for_all_rows():
    x = ROWS.repeat(5, 1)
    for objective, bound in (NOISY["wake_sleep"], NOISY["rws"], NOISY["forward_kl"]):
        with built(causes(), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
            exact = exact_gradient(program, bound, x)
            found = minibatch_gradients(program, x, 150)
            assert largest_z(found, exact) < ERRORS


def grads_at(objective, x=ROWS, model=causes, guide=AmortisedDiscrete, seed=3):
    torch.manual_seed(1)
    with built(model(), guide, objective, (x,)) as program:
        return step_of(program, (x,), seed=seed)


def close(one, two, only=""):
    assert one.keys() >= {name for name in two if name.startswith(only)}
    for name in two:
        if name.startswith(only):
            assert relative_error(one[name], two[name]) < IDENTITY, name
    assert any(two[name].abs().max() > 0 for name in two if name.startswith(only))


def test_asleep_with_one_particle_it_is_wake_sleep():
    one = grads_at(ReweightedWakeSleep(1, sleep=1.0))
    two = grads_at(WakeSleep())
    assert one[0].item() == pytest.approx(two[0].item(), rel=IDENTITY)
    close(one[1], two[1])


def test_awake_it_is_the_inclusive_divergence():
    one, two = grads_at(ReweightedWakeSleep(4, sleep=0.0)), grads_at(ForwardKL(4))
    assert one[0].item() == pytest.approx(two[0].item(), rel=IDENTITY)
    close(one[1], two[1])


def test_theta_follows_the_importance_weighted_bound():
    for objective in (ReweightedWakeSleep(4), ForwardKL(4)):
        one, two = grads_at(objective), grads_at(IWAE(4))
        assert one[0].item() == pytest.approx(two[0].item(), rel=IDENTITY)
        close(one[1], two[1], only="model")


def test_theta_follows_the_elbo_in_wake_sleep():
    for particles in (1, 3):
        one, two = grads_at(WakeSleep(particles)), grads_at(TraceGraph(particles))
        assert one[0].item() == pytest.approx(two[0].item(), rel=IDENTITY)
        close(one[1], two[1], only="model")


def test_the_phases_have_parameters_of_their_own():
    """Theta's gradient does not see the simulated data, and phi's does not see the data."""
    _, one = grads_at(WakeSleep(), ROWS)
    _, two = grads_at(WakeSleep(), 1 - ROWS)
    guide = {name for name in one if name.startswith("guide")}
    model = {name for name in one if name.startswith("model")}
    assert guide | model == set(one)
    assert any(not torch.equal(one[name], two[name]) for name in model)
    for name in guide:
        assert torch.equal(one[name], two[name])


def pyros_gradient(program, x, objective, seed):
    """Of Pyro's own objective: it shows the guide its simulated data by a keyword argument."""

    def guide(x, observations=None):
        program.guide(observations["x"] if observations else x)

    theirs = PyrosOwn(
        num_particles=objective.particles,
        insomnia=1 - objective.sleep,
        num_sleep_particles=1,
        vectorize_particles=True,
        max_plate_nesting=1,
    )
    program.zero_grad(set_to_none=True)
    torch.manual_seed(seed)
    theta_loss, _ = theirs.loss_and_grads(program.model, guide, x)
    return theta_loss, {name: p.grad.clone() for name, p in program.named_parameters()}


@pytest.mark.parametrize("sleep", [0.0, 0.3, 1.0])
def test_it_is_pyros_own_for_one_row(sleep):
    """With more rows Pyro's weighs all of them together, for lack of a weight for each."""
    x, objective = ROWS[:1], ReweightedWakeSleep(4, sleep=sleep)
    with built(causes(), AmortisedDiscrete, objective, (x,)) as program:
        loss, ours = step_of(program, (x,), seed=3)
        value, theirs = pyros_gradient(program, x, objective, seed=3)
    assert loss.item() == pytest.approx(value, rel=IDENTITY)
    close(ours, theirs)


def test_by_hand():
    """One cause, one pixel: z ~ Bern(1/2), x | z ~ Bern(sigmoid(a z)), q = Bern(sigmoid(l))."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(torch.tensor(0.7))

        def forward(self, x):
            with pyro.plate("data", len(x)):
                z = pyro.sample("z", dist.Bernoulli(x.new_full((), 0.5)))
                pyro.sample("x", dist.Bernoulli(logits=self.a * z), obs=x)

    class Guide(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Parameter(torch.tensor(-0.3))

        def forward(self, x):
            with pyro.plate("data", len(x)):
                pyro.sample("z", dist.Bernoulli(logits=self.l.expand(len(x))))

    x, z = torch.ones(1), torch.tensor([[1.0], [0.0]])
    with built(Model(), Guide(), ReweightedWakeSleep(2, sleep=0.0), (x,)) as program:
        a, q = program.model.a.detach(), program.guide.l.detach().sigmoid()
        with Assign({"z": z}):
            program.backward(clock(), None, x)
        w = torch.stack([a.sigmoid() / q, 0.5 / (1 - q)])
        v = w / w.sum()
        assert -program.model.a.grad.item() == pytest.approx((v[0] * (1 - a.sigmoid())).item())
        assert -program.guide.l.grad.item() == pytest.approx((v[0] - q).item(), rel=AUTODIFF**2)


OBJECTIVES = [WakeSleep(), WakeSleep(2), ReweightedWakeSleep(3), ForwardKL(3)]


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_captured_equals_plain(objective):
    with a_capture(causes(), AmortisedDiscrete, (ROWS.repeat(2, 1),), objective, batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WakeSleep(0), "particles to be a whole number above 0; got 0"),
        (lambda: ReweightedWakeSleep(0), "particles to be a whole number above 0; got 0"),
        (
            lambda: ReweightedWakeSleep(2, sleep=1.5),
            "sleep to be a finite number of at least 0 and of at most 1; got 1.5",
        ),
        (lambda: ReweightedWakeSleep(2, sleep=-0.1), "of at least 0 and of at most 1; got -0.1"),
        (lambda: ForwardKL(1), "particles to be a whole number of at least 2; got 1"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_evaluations():
    latents = describe(causes(), ROWS)
    assert WakeSleep(3).evaluations(latents) == 6
    assert ReweightedWakeSleep(5).evaluations(latents) == 6
    assert ReweightedWakeSleep(5, sleep=0.0).evaluations(latents) == 5
    assert ForwardKL(7).evaluations(latents) == 7
