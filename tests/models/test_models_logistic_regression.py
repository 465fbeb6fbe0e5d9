"""Logistic regression against its formula."""

import pytest
import torch
from joint import close
from pyro import poutine
from torch.nn.functional import logsigmoid

from zoo.models.regression.logistic_regression import LogisticRegression

IDENTITY = 1e-8


@pytest.fixture
def data():
    torch.manual_seed(0)
    x = torch.cat([torch.ones(30, 1), torch.randn(30, 3)], -1)
    return x, torch.bernoulli(torch.sigmoid(x @ torch.tensor([0.5, 1.0, -2.0, 0.0])))


def traced(data, beta):
    model = poutine.condition(LogisticRegression(4), data={"beta": beta})
    trace = poutine.trace(model).get_trace(*data)
    trace.compute_log_prob()
    return trace


def test_joint_equals_the_formula(data):
    x, y = data
    beta = torch.randn(4)
    prior = -0.5 * (beta.square().sum() + 4 * torch.tensor(2 * torch.pi).log())
    likelihood = logsigmoid((2 * y - 1) * (x @ beta)).sum()
    close(traced(data, beta).log_prob_sum(), prior + likelihood)


def test_particles_broadcast(data):
    beta = torch.randn(5, 1, 4)
    together = traced(data, beta)
    assert together.nodes["beta"]["log_prob"].shape == (5, 1)
    assert together.nodes["y"]["log_prob"].shape == (5, 30)
    loop = [traced(data, one).nodes["y"]["log_prob"] for one in beta.squeeze(1)]
    close(together.nodes["y"]["log_prob"], torch.stack(loop))


def test_extreme_coefficients_stay_finite(data):
    assert traced(data, torch.full((4,), 1e4)).log_prob_sum().isfinite()


def test_sites_and_plate(data):
    trace = poutine.trace(LogisticRegression(4)).get_trace(*data)
    assert trace.nodes["beta"]["cond_indep_stack"] == ()
    assert trace.nodes["beta"]["fn"].event_shape == (4,)
    (frame,) = trace.nodes["y"]["cond_indep_stack"]
    assert (frame.name, frame.size, frame.dim) == ("data", 30, -1)


def test_wrong_shapes_are_refused(data):
    x, y = data
    with pytest.raises(ValueError, match=r"Expected x of shape \(30, 4\); got \(30, 1\)"):
        LogisticRegression(4)(x[:, :1], y)
    with pytest.raises(ValueError, match=r"Expected y of shape \(30,\); got \(30, 1\)"):
        LogisticRegression(4)(x, y[:, None])
    with pytest.raises(ValueError, match="features >= 1; got 0"):
        LogisticRegression(0)
