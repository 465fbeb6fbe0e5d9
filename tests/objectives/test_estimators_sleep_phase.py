"""What sleep phases show the guide: data that the model simulates."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, built, clock, flat, scatter, step_of
from network_of_causes import (
    ROWS,
    K,
    batch_gradients,
    causes,
    exact_gradient,
    largest_z,
)
from steps import a_capture, equal_on_fresh_inputs
from test_estimators_wake_sleep import layered, wake_sleep
from torch import nn

import zoo
from guides import AmortisedDiscrete, AmortisedLayers, AmortisedNormal, MeanField, PerDatum
from zoo.gradients.sampler import gradient_draws
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.models.exact_sums import states
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.objectives.enumerate import Enumerate
from zoo.objectives.forward_kl import ForwardKL
from zoo.objectives.rws import ReweightedWakeSleep
from zoo.objectives.sleep_phase import simulate_data
from zoo.objectives.wake_sleep import WakeSleep


def test_the_helmholtz_machine():
    """Two layers, and a recognition network that runs the other way."""
    model = SigmoidBeliefNet(3, (2, 2), learned_prior=True)
    with built(model, AmortisedLayers, WakeSleep(), (ROWS,)) as program:
        scatter(program, spread=0.5)
        exact = exact_gradient(program, partial(wake_sleep, densities=layered), ROWS)
        found = batch_gradients(program, ROWS, batches=40, copies=100)
    assert largest_z(found, exact) < ERRORS
    assert (exact != 0).all()


@pytest.mark.thorough
def test_the_helmholtz_machine_captured():
    model = SigmoidBeliefNet(3, (2, 2), learned_prior=True)
    with a_capture(model, AmortisedLayers, (ROWS,), ReweightedWakeSleep(3)) as parts:
        assert equal_on_fresh_inputs(*parts)


def gap_after(objective, model, x):
    """What a fit of the guide alone leaves between the bound and the evidence, nats a row."""
    fitted = zoo.fit(
        model,
        partial(AmortisedDiscrete, body=nn.Identity()),
        x.expand(20, -1),
        objective=objective,
        steps=300,
        lr=0.1,
        freeze_model=True,
        device="cpu",
        compile=False,
    )
    with torch.no_grad():
        log_p, log_q = layered(fitted.program, x)
        elbo = (log_q.exp() * (log_p - log_q)).sum()
        return (model.log_evidence(x).sum() - elbo).item()


@pytest.mark.thorough
def test_wake_sleep_lags_behind_the_elbo_where_dreams_do_not_look_like_the_data():
    """An affine network learns the posterior of simulated data at the cost of that of the data."""
    torch.manual_seed(3)
    model, every = BernoulliLatent(3, (4,), 4), states(3)
    scatter(model, spread=3.0)
    chance = model.log_evidence(every).exp()
    rare, common = every[chance.argmin()][None], every[chance.argmax()][None]
    lag = [
        gap_after(WakeSleep(), model, x) - gap_after(Enumerate(), model, x) for x in (rare, common)
    ]
    assert lag[0] > 0.5
    assert abs(lag[1]) < lag[0] / 5


def test_dreams_are_fresh_for_every_replica():
    with a_capture(causes(), AmortisedDiscrete, (ROWS,), WakeSleep()) as (_, program, rows):
        found = gradient_draws(program, rows, 64).gradients
    assert len(found.unique(dim=0)) > 32


def test_continuous_latents_dream_too():
    """A linear-Gaussian model: at the exact posterior the sleep gradient is 0 on average."""
    model = ProbabilisticPCA(3, 2)
    family = partial(AmortisedNormal, body=nn.Identity())
    x = torch.randn(2000, 3)
    with built(model, family, WakeSleep(), (x,)) as program:
        with torch.no_grad():
            program.model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
            program.model.log_scale.fill_(-0.5)
            q = program.model.posterior(torch.eye(3))["z"]
            offset = program.model.posterior(torch.zeros(1, 3))["z"].mean
            (head,) = program.guide.encoder.heads
            scale = q.covariance_matrix[0].diagonal().sqrt()
            head.weight[:2].copy_((q.mean - offset).mT)
            head.bias[:2].copy_(offset[0])
            head.weight[2:].zero_()
            head.bias[2:].copy_(scale.expm1().log())
        found = []
        for _ in range(40):
            _, grads = step_of(program, (x,), seed=len(found))
            found.append(flat(grads[n] for n in grads if n.startswith("guide")) / len(x))
    assert largest_z(torch.stack(found), torch.zeros(())) < ERRORS


def test_a_dream_is_a_draw_of_the_model():
    x = torch.zeros(4000, 3)
    with built(causes(), AmortisedDiscrete, WakeSleep(), (x,)) as program:
        one = simulate_data(program.pair, (x,), {})
        assert simulate_data(program.pair, (), {"x": x}).kwargs["x"].shape == x.shape
        expected = states(3) @ torch.eye(3)
        chance = program.model.log_evidence(expected).detach().exp()
    (simulated,) = one.args
    assert one.values["z"].shape == (4000, K)
    assert not simulated.requires_grad
    share = (simulated[:, None] == expected).all(-1).double()
    error = (chance * (1 - chance) / 4000).sqrt()
    assert ((share.mean(0) - chance).abs() < ERRORS * error).all()


def converting(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Bernoulli(x.new_full((2,), 0.5)).to_event(1))
        pyro.sample("x", dist.Bernoulli(logits=z.sum(-1)), obs=x[:, 0] + 0.0)


def test_what_cannot_be_dreamed():
    x = torch.ones(4, 1)
    with pytest.raises(zoo.PairingError, match="what 'x' observes is not one as it was passed"):
        built(converting, AmortisedDiscrete, WakeSleep(), (x,)).__enter__()
    with (
        built(converting, AmortisedDiscrete, ReweightedWakeSleep(2, sleep=0.0), (x,)) as program,
        pytest.raises(ValueError, match=r"'x' observes, of shape \(4,\), is not one as it"),
    ):
        simulate_data(program.pair, (x,), {})
    with built(converting, AmortisedDiscrete, ReweightedWakeSleep(2, sleep=0.0), (x,)) as program:
        assert program(clock(), None, x).isfinite()


def test_a_guide_that_does_not_read_the_data_learns_nothing_from_dreams():
    rows = torch.randn(6, 3)
    labels = torch.ones(6)
    cases = [
        (ProbabilisticPCA(3, 2), PerDatum, (rows,)),
        (LogisticRegression(3), MeanField, (rows, labels)),
    ]
    for model, guide, args in cases:
        with pytest.raises(
            zoo.PairingError, match="trains the guide on rows that the model simulates"
        ):
            built(model, guide, WakeSleep(), args).__enter__()
        with built(model, guide, ForwardKL(4), args) as program:
            assert program(clock(), None, *args).isfinite()
