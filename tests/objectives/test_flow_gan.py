"""FlowGAN: each side follows its own loss, and likelihood stays exact under any training."""

import pytest
import torch

import guides
import zoo
from zoo.models.flows.realnvp import RealNVP
from zoo.objectives import FlowGAN
from zoo.objectives.critic import Critic
from zoo.objectives.flow_gan import steepness
from zoo.pairing.mismatch import PairingError

IDENTITY = 1e-8
LEVEL = "state.network.4.bias"  # of the critic, which is in no difference of its values


def stepped(task, objective, steps=1):
    return zoo.fit(task, guides.Empty, objective=objective, steps=steps, compile=False).program


@pytest.mark.parametrize("likelihood", [0.0, 0.7])
def test_each_side_follows_its_own_loss(likelihood):
    """Both losses written down anew, from draws and points between of the same noise."""
    x, objective = torch.randn(30, 2), FlowGAN(likelihood, penalty=3.0, hidden=(6,))
    fit = zoo.fit(RealNVP(2), guides.Empty, x, objective=objective, steps=1, batch_size=None)
    program = fit.program
    program.requires_grad_()
    torch.manual_seed(3)
    value = program(torch.zeros(()), None, x)
    torch.manual_seed(3)
    model, critic = program.model, program.state
    made = model.density().expand((30,)).rsample()
    between = torch.rand(30, 1)
    flow = (critic(x) - critic(made)).sum() - likelihood * model.log_evidence(x).sum()
    mixed = (between * x + (1 - between) * made).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    judged = (critic(made) - critic(x) + 3.0 * (slope.norm(dim=1) - 1).square()).sum()
    assert float(value.detach()) == pytest.approx(float(flow.detach()), rel=IDENTITY)
    for module, loss in ((model, flow), (critic, judged)):
        of = {"inputs": list(module.parameters()), "retain_graph": True, "allow_unused": True}
        own, found = torch.autograd.grad(loss, **of), torch.autograd.grad(value, **of)
        for one, other in zip(own, found, strict=True):
            one = torch.zeros_like(other) if one is None else one
            assert torch.allclose(one, other, rtol=IDENTITY, atol=IDENTITY)
        assert all(one.any() for one in own[:-1])  # the critic's level is in no difference


def test_the_critic_takes_its_steps_between_those_of_the_flow():
    task = zoo.load("realnvp")
    programs = [stepped(task, FlowGAN(critic_steps=3), steps) for steps in (1, 3, 4)]
    parts = [dict(program.named_parameters()) for program in programs]
    for early, late, moves in zip(parts, parts[1:], (False, True), strict=False):
        for name in early:
            moved, is_critics = not torch.equal(early[name], late[name]), name[:6] == "state."
            assert moved == (moves or is_critics) or name == LEVEL, name


def test_steepness_is_the_length_of_the_gradient():
    """Of a critic without bends, c(x) = w x: |w| everywhere, and its gradient is w / |w|."""
    critic = Critic(3, (4,))
    weight = torch.nn.Parameter(torch.randn(3))
    critic.forward = lambda rows: rows @ weight
    found = steepness(critic, torch.randn(5, 3))
    assert torch.allclose(found, weight.norm().expand(5), rtol=IDENTITY)
    (slope,) = torch.autograd.grad(found.mean(), weight)
    assert torch.allclose(slope, weight.detach() / weight.detach().norm(), rtol=IDENTITY)


def test_likelihood_is_exact_after_adversarial_training():
    task = zoo.load("realnvp")
    fit = zoo.fit(task, guides.Empty, objective="flow_gan_adversarial", steps=3)
    found = zoo.evaluate(fit)
    (x,) = task.split("test")
    with torch.no_grad():
        exact = fit.model.log_evidence(x)
    assert found["log_evidence"].value == pytest.approx(float(exact.mean()), rel=IDENTITY)


@pytest.mark.parametrize(
    ("model", "guide", "objective", "sentence"),
    [
        (
            "vae",
            guides.AmortisedNormal,
            "flow_gan",
            "scores its rows exactly; this one has",
        ),
        ("nade", guides.Empty, "flow_gan", "differentiates draws of one row x of real numbers"),
        ("realnvp", guides.Empty, "aae", "has no latents"),
    ],
)
def test_what_does_not_fit_is_refused(model, guide, objective, sentence):
    with pytest.raises(PairingError, match=sentence):
        zoo.fit(zoo.load(model), guide, objective=objective, steps=1)


@pytest.mark.parametrize(
    "wrong",
    [{"likelihood": -1.0}, {"penalty": -1.0}, {"critic_steps": 0}, {"critic_rate": 0.0}],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FlowGAN(**wrong)


def test_its_value_is_no_bound():
    assert not FlowGAN().value_is_bound
    with pytest.raises(ValueError, match="losses of their own"):
        zoo.fit(zoo.load("realnvp"), guides.Empty, objective="flow_gan", steps=3, patience=2)
