"""Each guide of latents that all rows share, on the compiled path with seeds side by side."""

import pytest
import torch
from steps import interpreted

import zoo
from guides import GUIDES
from zoo.latents.family import solver_of
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import mismatch


def stepped():
    """Names of the guides that go with eight schools and are trained by steps."""
    task = zoo.load("eight_schools")
    latents = zoo.describe(task.build(), *task.scoring_args("train"))
    trace = OBJECTIVES["trace"]
    paired = [n for n, g in GUIDES.items() if "+" not in n and mismatch(latents, g, trace) is None]
    return [name for name in paired if solver_of(GUIDES[name]) is None]


def side_by_side(name, monkeypatch, **settings):
    """Two seeds together, and the first of them alone."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    task, guide = zoo.load("eight_schools"), GUIDES[name]
    together = zoo.fit(task, guide, seed=0, replicas=2, compile=True, **settings)
    assert [fit.backend for fit in together] == ["compiled", "compiled"]
    return *together, zoo.fit(task, guide, seed=0, compile=True, **settings)


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", [name for name in stepped() if name != "mixture"])
def test_the_first_seed_beside_another_is_that_seed_alone(name, monkeypatch):
    beside, other, alone = side_by_side(name, monkeypatch, steps=3)
    assert not torch.equal(other.losses, beside.losses)
    torch.testing.assert_close(beside.losses[0], alone.losses[0])


def test_a_mixture_beside_another_draws_its_components_alike(monkeypatch):
    """The numbers that pick components come in another order, so that only means agree."""
    still = {"steps": 400, "lr": 1e-300, "optimizer": "sgd"}
    beside, _, alone = side_by_side("mixture", monkeypatch, **still)
    both = [fit.losses.double() for fit in (beside, alone)]
    error = sum(losses.var() / len(losses) for losses in both).sqrt()
    assert (both[0].mean() - both[1].mean()).abs() < 4 * error
