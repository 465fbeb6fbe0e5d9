"""The two plain VAEs and the network they share, against their formulas."""

import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, MODEL_CASES, standard_error
from joint import close
from pyro import poutine
from steps import a_program
from torch import nn
from torch.nn.functional import logsigmoid

from guides import AmortisedNormal
from zoo.gradients.sampler import gradient_draws
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.gaussian_vae import GaussianVAE
from zoo.nn import mlp
from zoo.objectives import MeanFieldKL, Trace

IDENTITY = 1e-8
ROWS = 7


def bernoulli():
    torch.manual_seed(0)
    return BernoulliVAE(9, hidden=(5,), latent=3), torch.bernoulli(torch.full((ROWS, 9), 0.4))


def gaussian():
    torch.manual_seed(0)
    model = GaussianVAE(9, hidden=(5, 4), latent=3, learned_scale=True)
    nn.init.constant_(model.log_scale, 0.3)
    return model, torch.randn(ROWS, 9)


@pytest.fixture(params=[bernoulli, gaussian])
def case(request):
    return request.param()


def traced(model, x, z):
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    trace.compute_log_prob()
    return trace


def test_bernoulli_joint_equals_the_formula():
    model, x = bernoulli()
    z = torch.randn(ROWS, 3)
    first, _, second = model.decoder
    hidden = torch.relu(first.bias + z @ first.weight.mT)
    signed = (2 * x - 1) * (second.bias + hidden @ second.weight.mT)
    prior = dist.MultivariateNormal(torch.zeros(3), torch.eye(3)).log_prob(z)
    close(traced(model, x, z).log_prob_sum(), (prior + logsigmoid(signed).sum(-1)).sum())


def test_gaussian_joint_equals_the_formula():
    model, x = gaussian()
    z = torch.randn(ROWS, 3)
    covariance = (2 * model.log_scale).exp() * torch.eye(9)
    likelihood = dist.MultivariateNormal(model.decoder(z), covariance).log_prob(x)
    prior = dist.MultivariateNormal(torch.zeros(3), torch.eye(3)).log_prob(z)
    close(traced(model, x, z).log_prob_sum(), (prior + likelihood).sum())


def test_fixed_scale_is_one_and_not_a_parameter():
    fixed, learned = GaussianVAE(9), GaussianVAE(9, learned_scale=True)
    assert "log_scale" not in dict(fixed.named_parameters())
    assert "log_scale" in dict(learned.named_parameters())
    x = torch.zeros(2, 9)
    scale = traced(fixed, x, torch.zeros(2, 10)).nodes["x"]["fn"].base_dist.scale
    close(scale, torch.ones(2, 9))


def test_mean_is_the_mean_of_the_observed_site(case):
    model, x = case
    z = torch.randn(4, ROWS, 3)
    close(model.mean(z), traced(model, x, z).nodes["x"]["fn"].mean)


def test_pictures_lie_in_the_unit_interval():
    model, _ = bernoulli()
    pictures = model.mean(50 * torch.randn(2, ROWS, 3))
    assert pictures.shape == (2, ROWS, 9)
    assert ((pictures >= 0) & (pictures <= 1)).all()


@pytest.mark.parametrize("particles", [(4,), (2, 3)])
def test_particles_broadcast(case, particles):
    model, x = case
    z = torch.randn(*particles, ROWS, 3)
    loop = [traced(model, x, one).nodes["x"]["log_prob"] for one in z.reshape(-1, ROWS, 3)]
    together = traced(model, x, z).nodes["x"]["log_prob"]
    close(together, torch.stack(loop).reshape(*particles, ROWS))


def test_one_draw_for_all_rows_broadcasts(case):
    model, x = case
    z = torch.randn(4, 1, 3)
    alone = traced(model, x, z).nodes["x"]["log_prob"]
    close(alone, traced(model, x, z.expand(4, ROWS, 3)).nodes["x"]["log_prob"])


def test_sites_and_plate(case):
    model, x = case
    trace = poutine.trace(model).get_trace(x)
    assert trace.nodes["z"]["fn"].event_shape == (3,)
    for site in ("z", "x"):
        (frame,) = trace.nodes[site]["cond_indep_stack"]
        assert (frame.name, frame.size, frame.dim) == ("data", ROWS, -1)


def test_every_parameter_gets_a_gradient(case):
    model, x = case
    log_joint = traced(model, x, torch.randn(ROWS, 3)).log_prob_sum()
    for gradient in torch.autograd.grad(log_joint, list(model.parameters())):
        assert gradient.isfinite().all()
        assert gradient.any()


def test_wrong_width_is_refused(case):
    model, x = case
    with pytest.raises(ValueError, match=r"Expected x of shape \(7, 9\); got \(7, 1\)"):
        model(x[:, :1])


def test_network_has_the_sizes_asked_for():
    network = mlp((3, 5, 4, 2), nn.Tanh)
    kinds = [type(layer) for layer in network]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert network(torch.zeros(6, 1, 3)).shape == (6, 1, 2)
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        mlp((3,))


def gradient_moments(objective):
    """Mean of many gradients, its squared standard error, and the total variance in 16 parts."""
    made, args = MODEL_CASES["gaussian_vae"].make()
    with a_program(made, AmortisedNormal, args, objective) as (program, rows, _):
        draws = gradient_draws(program, rows, 16 * 256, seed=1).gradients
    parts = draws.reshape(16, 256, -1).var(1).sum(1)
    return draws.mean(0), draws.var(0) / len(draws), parts


def test_closed_form_kl_has_the_same_mean_gradient_and_a_lower_variance():
    """Kingma and Welling's two estimators; the variance is summed over all parameters."""
    sampled, closed = gradient_moments(Trace()), gradient_moments(MeanFieldKL())
    error = (sampled[1] + closed[1]).sqrt()
    assert ((sampled[0] - closed[0]).abs() <= ERRORS * error).all()
    saved = sampled[2] - closed[2]
    assert saved.mean() > ERRORS * standard_error(saved)
