"""Objectives with a critic: each side follows its own loss, and the game does what it is for."""

import math

import pytest
import torch
from small_tasks import ppca_task

import guides
import zoo
from zoo.objectives import AdversarialAutoencoder, InfoVAE
from zoo.objectives.critic import Critic, held, taken_for_made, taken_for_real, told_apart
from zoo.pairing.mismatch import PairingError

IDENTITY = 1e-8


def gradients(program, *args):
    """The value of a step under fixed noise, and the gradient of every parameter by its name."""
    torch.manual_seed(3)
    loss = program(torch.zeros(()), None, *args)
    names, values = zip(*program.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, values, materialize_grads=True)
    return loss, dict(zip(names, found, strict=True))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        assert torch.allclose(found[name], expected[name], rtol=IDENTITY, atol=IDENTITY), name
        assert expected[name].abs().sum() > 0, name


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_each_side_of_the_autoencoder_follows_its_own_loss(weight):
    """Both losses written down anew, from a draw z of the same noise and a draw y of the prior."""
    task = ppca_task()
    (x,) = task.split("train")
    objective = AdversarialAutoencoder(weight, hidden=(6,), critic_steps=3)
    program = zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=3).program
    program.requires_grad_()
    value, found = gradients(program, x)
    torch.manual_seed(3)
    z = program.guide(x)["z"]
    y = torch.randn(len(x), 2)
    logits, real = program.state(z), program.state(y)
    model = program.model
    rows = torch.distributions.Normal(z @ model.weight.mT + model.mu, model.log_scale.exp())
    maker = -rows.log_prob(x).sum() - weight * logits.sigmoid().log().sum()
    critic = -(real.sigmoid().log().sum() + (1 - logits.sigmoid()).log().sum())
    assert float(value.detach()) == pytest.approx(float(maker.detach()), rel=IDENTITY)
    for loss, is_own in ((maker, False), (critic, True)):
        names = [n for n, _ in program.named_parameters() if n.startswith("state.") == is_own]
        values = [dict(program.named_parameters())[name] for name in names]
        own = torch.autograd.grad(loss, values, retain_graph=True)
        same({name: found[name] for name in names}, dict(zip(names, own, strict=True)))


def test_the_best_critic_gives_the_log_ratio_of_the_densities():
    """Of two normals: its loss at their log-ratio is less than beside it in any direction."""
    real, made = torch.randn(20000, 1), 0.5 + torch.randn(20000, 1)

    def loss(shift, slope):  # log N(x; 0, 1) - log N(x; 0.5, 1) = 0.125 - 0.5 x
        def critic(x):
            return 0.125 + shift + (slope - 0.5) * x.squeeze(-1)

        return float(told_apart(critic, real, made))

    for aside in ((0.2, 0.0), (-0.2, 0.0), (0.0, 0.2), (0.0, -0.2)):
        assert loss(0.0, 0.0) < loss(*aside)


def test_losses_of_the_critic_are_cross_entropies():
    logits = torch.linspace(-3, 3, 7)
    for loss, chance in (
        (taken_for_real, logits.sigmoid()),
        (taken_for_made, 1 - logits.sigmoid()),
    ):
        assert float(loss(logits)) == pytest.approx(-float(chance.log().mean()), rel=IDENTITY)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_without_weight_it_is_a_plain_autoencoder(weight):
    objectives = AdversarialAutoencoder(weight), InfoVAE(alpha=1.0, weight=0.0)
    losses = [
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective=one, steps=1).losses
        for one in objectives
    ]
    assert torch.allclose(*losses, rtol=IDENTITY) == (weight == 0)


def test_the_critic_takes_its_steps_between_those_of_the_autoencoder():
    objective = AdversarialAutoencoder(critic_steps=3, critic_rate=2.0)
    fits = [
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective=objective, steps=steps)
        for steps in (1, 3, 4)
    ]
    parts = [dict(fit.program.named_parameters()) for fit in fits]
    for name in parts[0]:
        moved = [not torch.equal(a[name], b[name]) for a, b in zip(parts, parts[1:], strict=False)]
        assert moved == [name.startswith("state."), True], name


def test_a_minibatch_counts_for_all_rows():
    """At rate next to 0 the mean loss of minibatches is that of all rows."""
    task = ppca_task()
    settings = {"objective": AdversarialAutoencoder(), "lr": 1e-12, "steps": 200}
    parts = zoo.fit(task, guides.AmortisedNormal, batch_size=10, **settings).losses
    whole = zoo.fit(task, guides.AmortisedNormal, **settings).losses
    error = math.hypot(parts.std(), whole.std()) / math.sqrt(200)
    assert abs(parts.mean() - whole.mean()) < 5 * error


def test_a_learned_prior_moves_too():
    """One whose draws can be differentiated: a RealNVP."""
    task = zoo.load("vae", data="digits", prior="realnvp")
    first, later = [
        zoo.fit(task, guides.AmortisedNormal, objective="aae", steps=steps).model.prior
        for steps in (1, 3)
    ]
    assert list(first.parameters())
    for (name, value), other in zip(first.named_parameters(), later.parameters(), strict=True):
        assert not torch.equal(value, other), name


def test_compiled_is_plain():
    """With the same noise, by the capture's own check; then 30 steps are taken."""
    fit = zoo.fit(ppca_task(), guides.AmortisedNormal, objective="aae", steps=30, compile=True)
    assert fit.backend == "compiled"
    assert torch.isfinite(fit.losses).all()


@pytest.mark.thorough
def test_the_aggregated_posterior_matches_the_prior_where_an_autoencoders_does_not():
    task, found = zoo.load("vae", data="digits"), {}
    for name, objective in {
        "autoencoder": InfoVAE(alpha=1.0, weight=0.0),
        "aae": AdversarialAutoencoder(),
    }.items():
        fit = zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=1000)
        found[name] = zoo.evaluate(fit, metrics=["latents"])
    plain, aae = found["autoencoder"], found["aae"]
    assert plain["prior_mmd_p/z"].value < 0.01
    assert aae["prior_mmd_p/z"].value > 0.01
    assert aae["prior_mmd/z"].value < plain["prior_mmd/z"].value / 20
    assert aae["mutual_information"].value > 0.9 * math.log(100)


@pytest.mark.parametrize(
    ("model", "guide"),
    [("eight_schools", guides.MeanField), ("hvae", guides.TopDown)],
)
def test_other_latents_are_refused(model, guide):
    with pytest.raises(PairingError, match="AdversarialAutoencoder compares draws of one contin"):
        zoo.fit(zoo.load(model), guide, objective="aae", steps=1)


@pytest.mark.parametrize(
    "wrong",
    [{"weight": -1.0}, {"hidden": (0,)}, {"critic_steps": 0}, {"critic_rate": 0.0}],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AdversarialAutoencoder(**wrong)


def test_what_watches_one_loss_is_refused():
    with pytest.raises(ValueError, match="losses of their own"):
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective="aae", steps=3, patience=3)


def test_a_held_critic_passes_gradients_to_rows_alone():
    critic, rows = Critic(3, (4,)), torch.randn(5, 3, requires_grad=True)
    judge = held(critic)
    assert torch.allclose(judge(rows), critic(rows), rtol=IDENTITY)
    judge(rows).sum().backward()
    assert all(parameter.grad is None for parameter in critic.parameters())
    (expected,) = torch.autograd.grad(critic(rows).sum(), rows)
    assert torch.allclose(rows.grad, expected, rtol=IDENTITY)
