"""Parts that take turns: plain and compiled steps move the same parameters at the same steps."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import guides
import zoo
from zoo.objectives import Objective
from zoo.optim.schedules import Linear
from zoo.optim.turns import Turn
from zoo.training.run import prepare
from zoo.training.settings import Request

TURNS = {"model": Turn(3), "guide": Turn(2, rate=0.5), "objective": Turn(1, rate=2.0)}


class Critic(nn.Module):
    """A number of the objective's own."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))


@dataclass(frozen=True)
class InTurns(Objective):
    """A bowl over all parameters, without noise, that parts descend in turns."""

    @property
    def turns(self):
        return TURNS

    def state(self, latents):
        return Critic()

    def loss(self, pair, state, args, kwargs):
        parts = [*pair.model.parameters(), *pair.guide.parameters(), state.level]
        return sum((part - 3.0).square().sum() for part in parts)


def taken(optimizer, clip_norm=None):
    """The parameters after each of seven plain steps, by part."""
    task = zoo.load("ppca")
    (settings,) = Request(
        objective=InTurns(), steps=7, optimizer=optimizer, clip_norm=clip_norm
    ).settings(task)
    with zoo.isolation.isolated(seed=0):
        run = prepare(task, guides.AmortisedNormal, settings, "cpu", None)
        found = [copy_of(run.trainer.program)]
        for _ in range(7):
            run.trainer.advance(1)
            found.append(copy_of(run.trainer.program))
    return found


def copy_of(program):
    return {name: p.detach().clone() for name, p in program.named_parameters()}


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "rmsprop_centred"])
def test_each_part_moves_at_its_turn_alone(optimizer):
    found = taken(optimizer)
    for step, (before, after) in enumerate(zip(found, found[1:], strict=False)):
        for name in before:
            every = {"mod": 3, "gui": 2, "sta": 1}[name[:3]]
            assert torch.equal(before[name], after[name]) == (step % every != 0), (step, name)


def test_a_part_by_itself_takes_the_steps_of_torchs_optimizer():
    """The critic's Adam, at twice the rate and at every step, is that of torch."""
    found = taken("adam")
    levels = [one["state.level"] for one in found]
    rate = 2 * zoo.load("ppca").recipe.lr
    level = torch.zeros((), requires_grad=True)
    adam = torch.optim.Adam([level], lr=rate)
    for found_level in levels[1:]:
        adam.zero_grad()
        (level - 3.0).square().backward()
        adam.step()
        assert float(found_level) == pytest.approx(float(level.detach()), rel=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "clip_norm", "replicas"),
    [("adam", None, None), ("rmsprop", 1.0, 2), ("sgd", 1.0, None)],
)
def test_compiled_steps_are_the_plain_ones(optimizer, clip_norm, replicas):
    task = zoo.load("ppca")
    settings = {
        "objective": InTurns(), "steps": 12, "optimizer": optimizer, "clip_norm": clip_norm,
        "average": False, "lr": 0.01,
    }  # fmt: skip
    plain = zoo.fit(task, guides.AmortisedNormal, compile=False, **settings)
    found = zoo.fit(task, guides.AmortisedNormal, compile=True, replicas=replicas, **settings)
    compiled = found if replicas is None else found[0]
    assert compiled.backend == "compiled"
    for name, value in plain.program.state_dict().items():
        assert torch.allclose(value, compiled.program.state_dict()[name], rtol=1e-6), name
    assert torch.allclose(plain.losses, compiled.losses, rtol=1e-6)


def test_replicas_follow_a_schedule_within_a_block():
    """The number of the step is not that of the block's first."""
    task = zoo.load("ppca")
    settings = {
        "kl_weight": Linear(0.0, 5.0, 100), "lr": 1e-7, "steps": 200, "compile": True,
        "average": False,
    }  # fmt: skip
    single = zoo.fit(task, guides.AmortisedNormal, **settings)
    first, second = zoo.fit(task, guides.AmortisedNormal, replicas=2, **settings)
    for one in (single, first, second):
        rise = one.losses[-50:].mean() - one.losses[:5].mean()
        noise = one.losses[-50:].std()
        assert rise > 0.2 * (single.losses[-50:].mean() - single.losses[:5].mean())
        assert rise > noise


def test_a_compiled_fit_goes_on_plainly(tmp_path):
    """The numbers of updates, by which Adam's averages are set right, are kept for each part."""
    task, settings = zoo.load("ppca"), {"objective": InTurns(), "average": False}
    whole = zoo.fit(task, guides.AmortisedNormal, steps=13, compile=False, **settings)
    zoo.fit(task, guides.AmortisedNormal, steps=8, compile=True, checkpoint=tmp_path, **settings)
    again = zoo.fit(
        task, guides.AmortisedNormal, steps=13, compile=False, resume=tmp_path, **settings
    )
    for name, value in whole.program.state_dict().items():
        assert torch.allclose(value, again.program.state_dict()[name], rtol=1e-6), name


def test_a_resumed_fit_goes_on_in_turn(tmp_path):
    task, settings = zoo.load("ppca"), {"objective": InTurns(), "compile": False}
    whole = zoo.fit(task, guides.AmortisedNormal, steps=9, **settings)
    zoo.fit(task, guides.AmortisedNormal, steps=4, checkpoint=tmp_path, **settings)
    task_again = {"resume": tmp_path, "checkpoint": tmp_path}
    again = zoo.fit(task, guides.AmortisedNormal, steps=9, **settings, **task_again)
    for name, value in whole.program.state_dict().items():
        assert torch.equal(value, again.program.state_dict()[name]), name


@pytest.mark.parametrize(
    "setting", [{"patience": 3}, {"until": "converged"}, {"average": True}], ids=str
)
def test_what_watches_one_loss_is_refused(setting):
    with pytest.raises(ValueError, match="losses of their own"):
        zoo.fit(zoo.load("ppca"), guides.AmortisedNormal, objective=InTurns(), steps=3, **setting)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"rate": 0.0}], ids=str)
def test_a_turn_that_never_comes_is_refused(wrong):
    with pytest.raises(ValueError, match="Expected a turn"):
        Turn(**wrong)
