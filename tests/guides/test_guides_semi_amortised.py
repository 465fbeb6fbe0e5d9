"""The semi-amortised guide: its gradients of a row's ELBO, its bound, and what is refused."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from joint import close
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

import zoo
from guides import AmortisedNormal, SemiAmortised
from guides.parts.plates import positive
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.metrics.weight_diagnostics import k_hat
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import IWAE, OBJECTIVES, Trace
from zoo.pairing.mismatch import PairingError
from zoo.program import build
from zoo.sampling.importance_weights import weight_chunks

DRAWS = 2000


@torch.no_grad()
def ppca():
    """With correlated posteriors, and rows of its own."""
    model = ProbabilisticPCA(3, 2)
    model.weight.copy_(torch.tensor([[1.0, 0.8], [0.8, 1.0], [1.0, -1.0]]))
    model.log_scale.fill_(-0.5)
    return model, torch.randn(40, 2) @ model.weight.T + torch.randn(40, 3) / torch.e**0.5


def best_bound(model, x):
    """Of the best independent normals: their variances are 1 / the precision's diagonal."""
    precision = torch.linalg.inv(model.posterior(x)["z"].covariance_matrix)
    gap = precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(precision)
    return model.log_evidence(x) - gap / 2


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_without_refinements_it_is_the_encoders_normal(objective):
    """With the same weights and noise: the same loss and gradients."""
    made, args = MODEL_CASES["hvae"].make()
    found = []
    for family in (AmortisedNormal, partial(SemiAmortised, refinements=0)):
        with built(made, family, objective, args) as program:
            scatter(program.guide, spread=0.3)
            found.append(step_of(program, args))
    (loss, grads), (again, ours) = found
    close(again, loss)
    assert ours.keys() == grads.keys()
    assert all(relative_error(ours[name], grads[name]) < IDENTITY for name in ours)


def test_a_refinement_follows_the_gradient_of_the_rows_elbo():
    """On PCA, where opposite draws give the exact gradient in the mean, by autograd."""
    model, x = ppca()
    with isolated(seed=0):
        program = build(model, partial(SemiAmortised, refinements=1), Trace(), (x,))
        trace = poutine.trace(program.guide).get_trace(x)
        loc, raw = program.guide.encoder((x,))[0].detach().chunk(2, dim=-1)
    noise, q = trace.nodes["z_noise_1"]["value"], trace.nodes["z"]["fn"]
    m, log_s = loc.requires_grad_(), positive(raw).log().requires_grad_()
    exact, widens = torch.autograd.grad(elbo(model, x, m, log_s, noise).sum(), (m, log_s))
    a, b = positive(program.guide.unconstrained_step[0][0])
    scale = log_s.exp()
    close(q.base_dist.loc, m + a * scale**2 * exact)
    close(q.base_dist.scale, scale * (b * widens.tanh()).exp())
    true, _ = torch.autograd.grad(exact_elbo(model, x, m, log_s).sum(), (m, log_s))
    close(exact, true)


def elbo(model, x, m, log_s, noise):
    """Of each row, from two opposite draws, up to constants."""
    found = [log_joint(model, x, m + sign * log_s.exp() * noise) for sign in (1, -1)]
    return sum(found) / 2 + log_s.sum(-1)


def exact_elbo(model, x, m, log_s):
    """Of each row, up to constants: log p(x, z) is quadratic in z."""
    precision = torch.linalg.inv(model.posterior(x)["z"].covariance_matrix).diagonal(
        dim1=-2, dim2=-1
    )
    spread = (precision * (2 * log_s).exp()).sum(-1)
    return log_joint(model, x, m) - spread / 2 + log_s.sum(-1)


def log_joint(model, x, z):
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    trace.compute_log_prob()
    return trace.nodes["z"]["log_prob"] + trace.nodes["x"]["log_prob"]


def test_noise_drops_out_of_log_q():
    made, args = MODEL_CASES["ppca"].make()
    with built(made, SemiAmortised, Trace(), args) as program:
        (traces,) = program.pair.draw(5, args, {})
        drawn = traces.guide
        close(
            drawn.log_prob_sum(), drawn.nodes["z"]["fn"].log_prob(drawn.nodes["z"]["value"]).sum()
        )
        assert drawn.nodes["z_noise_3"]["value"].shape == drawn.nodes["z"]["value"].shape


@torch.no_grad()
def test_weights_agree_with_the_exact_evidence():
    """The mean weight is the evidence of each row, and the bound is below it."""
    model, x = ppca()
    with isolated(seed=0):
        program = build(model, SemiAmortised, Trace(), (x,))
        log_w = torch.cat(list(weight_chunks(program, (x,), DRAWS)), dim=1)
    trusted = k_hat(log_w)[0] < 0.7  # else the error of a mean weight is not known
    assert trusted.sum() > 10
    exact = model.log_evidence(x)
    ratio = (log_w - exact)[:, trusted].exp()
    z = (ratio.mean(0) - 1) / (ratio.std(0) / DRAWS**0.5)
    assert z.abs().max() < ERRORS
    assert (log_w.mean(0) < exact + ERRORS * log_w.std(0) / DRAWS**0.5).all()


@pytest.mark.exhaustive
def test_refinements_close_the_amortisation_gap_of_a_narrow_encoder():
    """One unit cannot encode two latents; the best independent normals of a row are known."""
    model, x = ppca()
    settings = {"steps": 200, "lr": 0.02, "freeze_model": True, "compile": False}
    bounds = []
    for family in (AmortisedNormal, SemiAmortised):
        narrow = partial(family, body=nn.Sequential(nn.Linear(3, 1), nn.Tanh()))
        fit = zoo.fit(model, narrow, x, objective=Trace(4), **settings)
        log_w = torch.cat(list(weight_chunks(fit.program, (x,), DRAWS)), dim=1).detach()
        bounds.append(log_w.mean(0))
    plain, refined = best_bound(model, x) - torch.stack(bounds)
    closed = plain - refined
    assert closed.mean() > ERRORS * closed.std() / len(x) ** 0.5
    assert refined.mean() < plain.mean() / 2
    error = log_w.std(0) / DRAWS**0.5
    assert (refined > -ERRORS * error).all()


def test_gradients_are_those_of_finite_differences():
    """Of the whole step, through the model's gradient inside the guide."""
    made, args = MODEL_CASES["ppca"].make()
    with built(made, partial(SemiAmortised, refinements=2), Trace(2), args) as program:
        _, grads = step_of(program, args)
        for name, parameter in program.named_parameters():
            at, losses = (0,) * parameter.dim(), []
            for change in (1e-5, -2e-5):
                with torch.no_grad():
                    parameter[at] += change
                losses.append(step_of(program, args)[0])
            with torch.no_grad():
                parameter[at] += 1e-5
            slope = (losses[0] - losses[1]) / 2e-5
            assert grads[name][at].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-5), name


@pytest.mark.exhaustive
def test_captured_step_of_a_minibatch_equals_the_plain_one():
    made, args = MODEL_CASES["ppca"].make()
    with a_capture(made, partial(SemiAmortised, refinements=1), args, batch=3) as parts:
        equal_on_fresh_inputs(*parts)


@pytest.mark.parametrize("objective", ["stl", "dreg", "rloo", "rws", "wae"])
def test_objectives_that_score_given_draws_are_refused(objective):
    made, args = MODEL_CASES["ppca"].make()
    with pytest.raises(
        PairingError, match="takes log q of given draws|compares draws alone; Semi"
    ):
        built(made, SemiAmortised, OBJECTIVES[objective], args).__enter__()


def mixed(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        k = pyro.sample("k", dist.Bernoulli(x.new_full((), 0.5)))
        pyro.sample("x", dist.Normal(z.sum(-1) + k, 1.0), obs=x)


def drawn(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("columns", 4, dim=-2, subsample_size=2) as some:
            pyro.sample("y", dist.Normal(z, 1.0), obs=x.expand(4, -1)[some])


@pytest.mark.parametrize(
    ("model", "objective", "sentence"),
    [
        (mixed, "enumerate", "does not cover 'k', which is"),
        (mixed, "trace", "'k' is local and discrete"),
        (drawn, "trace", "draws a part of plate 'columns' by itself"),
    ],
    ids=["summed out", "discrete", "subsampled plate"],
)
def test_what_has_no_gradient_to_follow_is_refused(model, objective, sentence):
    with pytest.raises(PairingError, match=sentence):
        built(model, SemiAmortised, OBJECTIVES[objective], (torch.randn(6),)).__enter__()


def test_number_of_refinements():
    model, args = MODEL_CASES["ppca"].make()
    with pytest.raises(
        ValueError, match="Expected refinements to be a whole number of at least 0"
    ):
        SemiAmortised(describe(model, *args), model, refinements=-1)
