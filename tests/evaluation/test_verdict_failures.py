"""The verdict over planted failures: no failure gets a yes, no healthy fit a no."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoDelta

import zoo
from benchmarks.evaluation import failure_detection as museum
from benchmarks.evaluation import planted_failures as exhibits
from guides import AmortisedDiscrete, FullRank, MeanField

ROWS = 60
EXPECTED = {  # exhibit -> the answers about bound, weights and draws: without the truth, with it
    "narrow": ("cannot tell/no/no", "cannot tell/no/no"),
    "one_mode": ("cannot tell/no/no", "cannot tell/no/no"),
    "collapse": ("yes/yes/yes", "yes/yes/yes"),
    "half_of_x": ("cannot tell/yes/no", "cannot tell/yes/no"),
    "no_log_det": ("no/no/yes", "no/no/yes"),
    "heavy_tails": ("cannot tell/no/cannot tell", "cannot tell/no/no"),
    "same_moments": ("cannot tell/cannot tell/yes", "cannot tell/cannot tell/no"),
}


def in_short(said):
    return "/".join(said[question]["answer"] for question in ("bound", "weights", "draws"))


NARROW = pytest.param("narrow", marks=pytest.mark.slow)
OTHERS = [name for name in exhibits.EXHIBITS if name != "narrow"]


def test_no_exhibit_is_left_out():
    assert list(EXPECTED) == list(exhibits.EXHIBITS)


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", [NARROW, *OTHERS])
def test_every_exhibit(name):
    _, sick = exhibits.pair(name, ROWS)
    found = museum.judged(sick)
    assert tuple(in_short(found[reader]) for reader in museum.READERS) == EXPECTED[name], found


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", [NARROW, "one_mode", "heavy_tails"])
def test_every_healthy_twin(name):
    healthy, _ = exhibits.pair(name, ROWS)
    found = museum.judged(healthy)
    assert {in_short(said) for said in found.values()} == {"yes/yes/yes"}, found


def location(x):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


X = torch.tensor([2.0, 3.0, 2.5, 1.5, 2.2, 3.3])


def answer(fit):
    return zoo.evaluate(fit, metrics=["weights", "psis", "from_prior", "convergence"]).answers


def trained(guide=FullRank, x=X, **settings):
    return zoo.fit(location, guide, x, compile=False, **({"steps": 500, "lr": 0.03} | settings))


def test_a_healthy_fit_is_trusted():
    assert answer(trained()).draws.answer == "yes"


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    "fault",
    [
        {"steps": 20},
        {"lr": 1e-5},
        {"guide": AutoDelta},
    ],
    ids=["early stop", "small rate", "point mass"],
)
def test_fits_that_never_arrived(fault):
    assert answer(trained(**fault)).draws.answer == "no"


@pytest.mark.thin(3)
@pytest.mark.parametrize(("shift", "said"), [(0.05, "yes"), (0.5, "no"), (2.0, "no")])
def test_shifts(shift, said):
    """In posterior sds; the closed form puts the guide where it belongs first."""
    precision = 1 / 25 + len(X)
    fit = trained(guide=MeanField, steps=1)
    with torch.no_grad():
        sd = torch.tensor(precision**-0.5)
        fit.guide.loc[0].copy_(X.sum() / precision + shift * sd)
        fit.guide.unconstrained_scale[0].copy_(sd.expm1().log())
    assert answer(fit).draws.answer == said


@pytest.mark.parametrize("metrics", [["psis"], ["from_prior"]])
def test_draws_that_are_not_finite(metrics):
    """A fit that diverged, as it ended."""
    fit = trained(guide=MeanField, steps=1)
    with torch.no_grad():
        fit.guide.loc[0].fill_(torch.inf)
    found = zoo.evaluate(fit, metrics=metrics).answers.draws
    assert (found.answer, found.reason) == ("no", "draws of the guide are not finite")


def test_a_guide_of_other_data():
    other = trained(x=X + 1)
    fit = zoo.fit(location, other.guide, X, steps=1, lr=1e-30, compile=False)
    assert answer(fit).draws.answer == "no"


def test_wrong_labels():
    """The exact posterior of a mixture with its labels turned: little is left on the right one."""
    fit = zoo.fit(zoo.load("gaussian_mixture"), AmortisedDiscrete, objective="enumerate", steps=1)
    model, (x,) = fit.model, fit.task.split("train")

    def turned(x):
        with torch.no_grad():
            exact = model.posterior(x)["z"]
        probs = 0.98 * exact.probs.roll(1, -1) + 0.02 * exact.probs
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.OneHotCategorical(probs))

    fit = zoo.fit(model, turned, x[:50], objective="rloo", steps=1, lr=1e-30, compile=False)
    found = zoo.evaluate(fit, metrics=["weights", "exact", "psis"]).answers
    assert found.draws.answer != "yes"
    assert found.weights.answer != "yes"
