"""VAE/GAN: encoder, decoder and critic each follow their own loss, and the game does its work."""

import math

import pytest
import torch
from pyro import poutine
from small_tasks import ppca_task

import guides
import zoo
from zoo.metrics.two_sample import sliced_wasserstein
from zoo.objectives import VAEGAN, InfoVAE
from zoo.pairing.mismatch import PairingError

IDENTITY = 1e-8


def features(critic, rows):
    """The last hidden layer, written down anew."""
    first, _, second, _, _ = critic.network
    silu = torch.nn.functional.silu
    return silu(second(silu(first(rows))))


def own_losses(program, objective, x):
    """Losses of encoder, decoder and critic under the noise of seed 3, in nats for all rows."""
    torch.manual_seed(3)
    model, critic = program.model, program.state
    z, y = program.guide(x)["z"], torch.randn(len(x), 2)
    torch.manual_seed(3)
    trace = poutine.trace(program.guide).get_trace(x)
    q, p = trace.nodes["z"]["fn"], torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(q.base_dist, p.expand(z.shape)).sum()
    again, made = (one @ model.weight.mT + model.mu for one in (z, y))
    apart = (features(critic, x) - features(critic, again)).square().sum()
    apart = apart / (2 * objective.scale**2)
    verdict = -(critic(again).sigmoid().log().sum() + critic(made).sigmoid().log().sum())
    told = critic(x).sigmoid().log() + (1 - critic(again).sigmoid()).log()
    told = told + (1 - critic(made).sigmoid()).log()
    return {
        "guide": kl + apart,
        "model": objective.gamma * apart + objective.weight * verdict,
        "state": -told.sum(),
    }, kl + apart + objective.weight * verdict


@pytest.mark.parametrize(("gamma", "weight"), [(1.0, 1.0), (0.3, 2.0)])
def test_each_side_follows_its_own_loss(gamma, weight):
    task = ppca_task()
    (x,) = task.split("train")
    objective = VAEGAN(gamma, weight, scale=0.4, hidden=(6, 5))
    program = zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=1).program
    program.requires_grad_()
    torch.manual_seed(3)
    value = program(torch.zeros(()), None, x)
    losses, expected = own_losses(program, objective, x)
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=IDENTITY)
    for part, loss in losses.items():
        inputs = list(getattr(program, part).parameters())
        settings = {"retain_graph": True, "materialize_grads": True}
        own, found = (torch.autograd.grad(one, inputs, **settings) for one in (loss, value))
        for one, other in zip(own, found, strict=True):
            assert torch.allclose(one, other, rtol=IDENTITY, atol=IDENTITY), part
        assert sum(bool(one.any()) for one in own) >= len(own) - 1  # the noise's scale alone


def test_the_scale_of_the_noise_stays():
    """No density of x is compared, so that nothing says what it should be."""
    task = zoo.load("gaussian_vae", data="digits")
    fit = zoo.fit(task, guides.AmortisedNormal, objective="vae_gan", steps=3)
    assert not fit.model.log_scale.any()


def test_the_critic_takes_its_steps_between_those_of_the_autoencoder():
    objective = VAEGAN(critic_steps=3, critic_rate=2.0)
    fits = [
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective=objective, steps=steps)
        for steps in (1, 3, 4)
    ]
    parts = [dict(fit.program.named_parameters()) for fit in fits]
    for name in set(parts[0]) - {"model.log_scale"}:
        moved = [not torch.equal(a[name], b[name]) for a, b in zip(parts, parts[1:], strict=False)]
        assert moved == [name.startswith("state."), True], name


def test_a_minibatch_counts_for_all_rows():
    """The mean loss of halves of the rows is that of all rows, with one and the same critic."""
    task = ppca_task()
    (x,) = task.split("train")
    program = zoo.fit(task, guides.AmortisedNormal, objective=VAEGAN(), steps=1).program
    rows, found = torch.arange(len(x)), {}
    for size in (len(x), len(x) // 2):
        parts = [rows[:size], rows[-size:]]
        losses = [
            program(torch.zeros(()), part, x[part]).detach() for _ in range(100) for part in parts
        ]
        found[size] = torch.stack(losses).reshape(100, 2).mean(1)
    error = math.hypot(*(one.std() for one in found.values())) / math.sqrt(100)
    one, other = (float(one.mean()) for one in found.values())
    assert abs(one - other) < 5 * error


@pytest.mark.thorough
def test_compiled_is_plain():
    """With the same noise, by the capture's own check; then 30 steps are taken."""
    fit = zoo.fit(ppca_task(), guides.AmortisedNormal, objective="vae_gan", steps=30, compile=True)
    assert fit.backend == "compiled"
    assert torch.isfinite(fit.losses).all()


@pytest.mark.parametrize(
    ("model", "guide", "sentence"),
    [
        ("eight_schools", guides.MeanField, "VAEGAN compares draws of one continuous latent"),
        ("multimodal_vae", guides.ProductOfExperts, "VAEGAN shows its critic the mean of the row"),
    ],
)
def test_what_does_not_fit_is_refused(model, guide, sentence):
    with pytest.raises(PairingError, match=sentence):
        zoo.fit(zoo.load(model), guide, objective="vae_gan", steps=1)


def test_a_row_without_a_mean_in_closed_form_is_refused():
    """Pixels that are drawn one after the other have one only by draws."""
    task = zoo.load("vae", data="digits", decoder="pixel")
    with pytest.raises(PairingError, match="has none in closed form"):
        zoo.fit(task, guides.AmortisedNormal, objective="vae_gan", steps=1)


@pytest.mark.parametrize(
    "wrong",
    [{"gamma": -1.0}, {"weight": -1.0}, {"scale": 0.0}, {"hidden": ()}, {"critic_steps": 0}],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VAEGAN(**wrong)


@pytest.mark.slow
def test_its_draws_are_nearer_to_the_data_than_an_autoencoders():
    """Means at draws of the prior beside test rows; and q(z) beside the prior, as in a VAE."""
    task, far, prior_mmd = zoo.load("gaussian_vae", data="digits"), {}, {}
    (x,) = task.split("test")
    for name, objective in {
        "autoencoder": InfoVAE(alpha=1.0, weight=0.0),
        "vae_gan": VAEGAN(),
    }.items():
        fit = zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=3000)
        with torch.no_grad():
            made = fit.model.mean(fit.model.prior().sample((len(x),)))
        far[name] = sliced_wasserstein(made, x)
        prior_mmd[name] = zoo.evaluate(fit, metrics=["latents"])["prior_mmd/z"].value
    gap = far["autoencoder"].value - far["vae_gan"].value
    assert gap > 5 * math.hypot(*(one.se for one in far.values()))
    assert prior_mmd["vae_gan"] < prior_mmd["autoencoder"] / 20


def test_its_value_is_no_bound():
    assert not VAEGAN().value_is_bound
    with pytest.raises(ValueError, match="losses of their own"):
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective="vae_gan", steps=3, patience=3)
