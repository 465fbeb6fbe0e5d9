"""The multimodal VAE and its product of experts: missing views, exact answers, both directions."""

from dataclasses import replace
from functools import partial

import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, MODEL_CASES, built, clock, scatter, standard_error, step_of
from joint import close
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

import zoo
from guides import AmortisedNormal, ProductOfExperts
from guides.product_of_experts import product
from zoo.evaluation.multimodal import (
    conditional,
    label_accuracy,
    label_probabilities,
    only,
    picture_accuracy,
    picture_scores,
    share,
)
from zoo.latents import describe
from zoo.metrics.shares import share_error
from zoo.models.vaes.multimodal_vae import MultimodalVAE
from zoo.objectives import IWAE, MeanFieldKL, Trace, WakeSleep
from zoo.optim.schedules import Linear
from zoo.priors import MixturePrior

PATTERNS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
GRID = torch.linspace(-12.0, 12.0, 24_001).double()


def tiny(prior=None, *, labelled=True):
    """One latent dimension, so that everything is an integral over a line."""
    model = MultimodalVAE(3, 3, (4,), 1, prior, labelled=labelled)
    scatter(model, spread=1.0)
    return model


def rows(seen):
    """Three pictures with their labels, shown as `seen` says."""
    x = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    return x * seen[:1], torch.eye(3) * seen[1:], seen.expand(3, 2).clone()


def integrated(model, x, y, seen):
    """log of the integral of p(z) p(x | z)^seen p(y | z)^seen, by a sum over a grid: (rows,)."""
    z = GRID[:, None, None]
    log_p = model.prior().log_prob(z)
    log_p = log_p + seen[:, 0] * model.of_x(z).log_prob(x)
    log_p = log_p + seen[:, 1] * model.of_y(z).log_prob(y)
    return log_p.logsumexp(0) + (GRID[1] - GRID[0]).log()


@pytest.mark.parametrize("experts", [1, 2, 3])
def test_the_product_equals_quadrature(experts):
    means, scales = torch.randn(experts, 8, 2), torch.rand(experts, 8, 2) + 0.2
    seen = torch.bernoulli(torch.full((8, experts), 0.6))
    z = GRID[:, None, None, None]
    said = dist.Normal(means, scales).log_prob(z) * seen.mT[..., None]
    log_q = said.sum(1) + dist.Normal(0.0, 1.0).log_prob(GRID)[:, None, None]
    q = log_q.softmax(0)
    mean = (q * GRID[:, None, None]).sum(0)
    sd = (q * (GRID[:, None, None] - mean) ** 2).sum(0).sqrt()
    found = product(means, scales, seen)
    close(found[0], mean)
    close(found[1], sd)


def test_with_nothing_seen_the_product_is_the_prior():
    loc, scale = product(torch.randn(2, 4, 3), torch.rand(2, 4, 3) + 0.1, torch.zeros(4, 2))
    assert torch.equal(loc, torch.zeros(4, 3))
    assert torch.equal(scale, torch.ones(4, 3))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("seen", PATTERNS)
def test_the_joint_counts_what_is_seen(labelled, seen):
    model, z = tiny(labelled=labelled), torch.randn(3, 1)
    x, y, shown = rows(seen)
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x, y, shown)
    expected = dist.Normal(0.0, 1.0).log_prob(z).sum()
    if seen[0]:
        expected = expected + dist.Bernoulli(logits=model.decoder(z)).log_prob(x).sum()
    if seen[1] and labelled:
        expected = expected + (model.decoder_y(z).log_softmax(-1) * y).sum()
    if seen[1] and not labelled:
        expected = expected + dist.Bernoulli(logits=model.decoder_y(z)).log_prob(y).sum()
    close(trace.log_prob_sum(), expected)


@pytest.mark.thin(6)
@pytest.mark.parametrize("seen", PATTERNS[:3])
@pytest.mark.parametrize("guide", [ProductOfExperts, AmortisedNormal])
def test_it_bounds_the_exact_evidence_of_what_is_seen(guide, seen):
    model, args, found = tiny(), rows(seen), {}
    for objective in (Trace(), IWAE(200)):
        with built(model, guide, objective, args) as program, torch.no_grad():
            exact = integrated(program.model, *args).sum()
            found[objective] = -torch.stack([program(clock(), None, *args) for _ in range(200)])
    for bound in found.values():
        assert bound.mean() < exact + ERRORS * standard_error(bound)
    elbo, iwae = found.values()
    assert iwae.mean() - elbo.mean() > ERRORS * standard_error(elbo)


@pytest.mark.thin(6)
@pytest.mark.parametrize("seen", PATTERNS[:3])
@pytest.mark.parametrize("objective", [Trace(), IWAE(200), MeanFieldKL()], ids=str)
def test_it_bounds_the_evidence_under_another_prior(objective, seen):
    """The guide's own factor stays N(0, I)."""
    model, args = tiny(MixturePrior(1, components=3)), rows(seen)
    with built(model, ProductOfExperts, objective, args) as program, torch.no_grad():
        exact = integrated(program.model, *args).sum()
        standard = dist.Normal(0.0, 1.0).log_prob(GRID)
        assert (program.model.prior().log_prob(GRID[:, None]) - standard).abs().max() > 0.1
        bound = -torch.stack([program(clock(), None, *args) for _ in range(200)])
    assert bound.mean() < exact + ERRORS * standard_error(bound)


def test_the_zoos_own_takes_a_prior():
    task = zoo.load("multimodal_vae", prior="realnvp", latent=4)
    assert type(task.build().prior).__name__ == "RealNVPPrior"
    assert task.usual_guide == "product_of_experts"
    assert not list(zoo.load("multimodal_vae").build().prior.parameters())


@pytest.mark.parametrize("view", [0, 1])
def test_no_gradient_reaches_what_is_missing(view):
    made, args = MODEL_CASES["multimodal_vae"].make()
    args = only(args, view)
    with built(made, ProductOfExperts, Trace(), args) as program:
        _, grads = step_of(program, args)
    reached = {name: bool(grad.any()) for name, grad in grads.items()}
    other = (
        ("model.decoder_y.", "guide.experts.1.")
        if view == 0
        else ("model.decoder.", "guide.experts.0.")
    )
    assert any(name.startswith(other) for name in reached)
    for name, found in reached.items():
        assert found != name.startswith(other), name


def moments(guide, args):
    q = poutine.trace(guide).get_trace(*args).nodes["z"]["fn"]
    return q.mean, q.stddev


def test_what_is_hidden_has_no_say():
    made, (x, y, seen) = MODEL_CASES["multimodal_vae"].make()
    with built(made, ProductOfExperts, Trace(), (x, y, seen)) as program, torch.no_grad():
        noise = torch.randn(len(x), 1)
        other = x + noise * (1 - seen[:, :1]), y + noise * (1 - seen[:, 1:]), seen
        one, two = moments(program.guide, (x, y, seen)), moments(program.guide, other)
        shown = moments(program.guide, (x + noise, y, seen))
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(one[0], shown[0])


def test_which_arguments_are_experts():
    made, args = MODEL_CASES["multimodal_vae"].make()
    latents = describe(made, *args)
    assert latents.row_widths == (6, 3, 2)
    assert len(ProductOfExperts(latents).experts) == 2
    widths = {(6,): 1, (6, 1): 2, (6, 3, 3): 3, (6, 3, 5, 3): 3}
    for found, experts in widths.items():
        parts = replace(latents, row_widths=found, row_args=tuple(range(len(found))))
        assert len(ProductOfExperts(parts).experts) == experts
    with pytest.raises(ValueError, match="no argument holds the rows of"):
        ProductOfExperts(replace(latents, row_args=(), row_widths=()))


def test_one_argument_is_one_expert_times_the_prior():
    made, (x,) = MODEL_CASES["bernoulli_vae"].make()
    with built(made, ProductOfExperts, Trace(), (x,)) as program, torch.no_grad():
        loc, scale = moments(program.guide, (x,))
        ((output,),) = (expert((x,)) for expert in program.guide.experts)
        mean, t = output[:, :3], nn.functional.softplus(output[:, 3:]) ** -2
        close(scale, (1 + t) ** -0.5)
        close(loc, t * mean / (1 + t))


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", [Trace(2), WakeSleep()], ids=str)
@pytest.mark.parametrize("components", [0, 3])
def test_captured_equals_plain(objective, components):
    """With the standard prior, and with a mixture."""
    _, args = MODEL_CASES["multimodal_vae"].make()
    prior = MixturePrior(2, components) if components else None
    made = MultimodalVAE(6, 3, (8,), 2, prior, labelled=True)
    with a_capture(made, ProductOfExperts, args, objective, batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_arguments_of_another_shape_are_refused():
    model, (x, y, seen) = tiny(), rows(PATTERNS[0])
    for args, name in (((x[:, 1:], y, seen), "x"), ((x, y[:2], seen), "y"), ((x, y, x), "seen")):
        with pytest.raises(ValueError, match=f"Expected {name} of shape"):
            model(*args)


def a_fit(model, args, guide=ProductOfExperts, steps=300, **settings):
    return zoo.fit(model, guide, *args, steps=steps, lr=1e-2, device="cpu", **settings)


@pytest.mark.thin(2)
@pytest.mark.parametrize("given", [0, 1])
def test_conditionals_equal_quadrature(given):
    args = rows(PATTERNS[0])
    fit = a_fit(tiny(), args)
    metric, (values, errors) = conditional(fit, args, given, draws=4000)
    with torch.no_grad():
        joint, alone = (integrated(fit.model, *a) for a in (args, only(args, given)))
    assert ((values - (joint - alone)).abs() < ERRORS * errors).all()
    assert metric.value == pytest.approx(float(values.mean()), rel=AUTODIFF)
    assert 0 < metric.se < 0.05


def test_only_hides_one_view():
    args = rows(PATTERNS[0])
    for view in (0, 1):
        found = only(args, view)
        for one, two in zip(found[:2], rows(PATTERNS[1 + view])[:2], strict=True):
            assert torch.equal(one, two)
        assert torch.equal(found[2], PATTERNS[1 + view].expand(3, 2))


@pytest.fixture(scope="module")
def digits():
    """A small multimodal VAE of digits and labels after a short training."""
    task = zoo.load("multimodal_vae", data="digits_labels")
    build = partial(MultimodalVAE, 64, 10, (64,), 5, labelled=True)
    fit = zoo.fit(
        replace(task, build=build),
        ProductOfExperts,
        steps=800,
        lr=1e-2,
        kl_weight=Linear(0.0, 1.0, 800),
        device="cpu",
        compile=False,
    )
    return fit, task.data.test


@pytest.mark.parametrize("right", [True, False])
def test_a_share_of_all_or_none_has_an_error(right):
    found = share(torch.full((50,), right), "test")
    assert (found.value, found.se) == (float(right), share_error(float(right), 50))
    assert found.se > 0


@pytest.mark.slow
def test_labels_from_pictures(digits):
    fit, args = digits
    accuracy = label_accuracy(fit, args)
    assert accuracy.value - 0.1 > ERRORS * accuracy.se
    chance = label_probabilities(fit, args)
    close(chance.sum(-1), torch.ones(len(chance)))


@pytest.mark.slow
def test_pictures_from_labels(digits):
    """The likelihood of a picture given its own label above the mean over the wrong ones."""
    fit, args = digits
    scores = picture_scores(fit, args)
    own = args[1] > 0
    right, wrong = scores[own], scores[~own].reshape(-1, 9).mean(-1)
    assert (right - wrong).mean() > ERRORS * standard_error(right - wrong)
    accuracy = picture_accuracy(fit, args)
    assert accuracy.value - 0.1 > ERRORS * accuracy.se


@pytest.mark.slow
def test_both_views_say_more_than_one(digits):
    """Label and picture are dependent: p(y | x) is above the label's own share."""
    fit, args = digits
    metric, (values, _) = conditional(fit, args, given=0, draws=200)
    assert metric.value - torch.tensor(0.1).log() > ERRORS * standard_error(values)


def test_views_are_of_a_multimodal_model():
    made, (x,) = MODEL_CASES["bernoulli_vae"].make()
    with pytest.raises(
        ValueError, match="Expected a fit of MultimodalVAE; got one of BernoulliVAE"
    ):
        label_accuracy(a_fit(made, (x,), steps=1), (x, x, x[:, :2]))
