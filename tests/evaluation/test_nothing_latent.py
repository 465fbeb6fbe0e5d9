"""A model without latents is scored exactly, row by row, and nothing is said of draws."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import guides
import zoo
from zoo.evaluation.answers import INAPPLICABLE, YES
from zoo.objectives import LossFunction, Renyi, VRMax, as_objective

IDENTITY = 1e-8


class Independent(nn.Module):
    """Bits with a probability each."""

    def __init__(self, size):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Bernoulli(logits=self.logits).to_event(1), obs=x)


@pytest.fixture(scope="module")
def x():
    chances = torch.tensor([0.1, 0.3, 0.5, 0.9])
    return torch.bernoulli(chances.expand(60, 4), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def fit(x):
    return zoo.fit(Independent(4), guides.Empty, x, steps=400, lr=0.05)


def test_log_p_is_the_closed_form_a_row_without_an_error(fit, x):
    found = zoo.evaluate(fit)
    chances = fit.model.logits.detach().sigmoid()
    exact = (x * chances.log() + (1 - x) * (1 - chances).log()).sum(1)
    for name in ("elbo", "log_evidence", "exact_log_evidence"):
        assert found[name].value == pytest.approx(float(exact.mean()), rel=IDENTITY)
        assert (found[name].se, found[name].unit) == (0.0, "nats/row")
    assert torch.allclose(found.by_row["log_evidence"][0], exact.detach().double())
    assert "nothing drawn" in str(found)


def test_train_rows_are_named_as_such(fit):
    found = zoo.evaluate(fit, split="train")
    assert str(found).startswith("Metrics on train, the rows that the model was trained on: 60")
    assert "on the rows it was trained on" in found["log_evidence"].note
    task = zoo.load("made")
    held = zoo.evaluate(zoo.fit(task, guides.Empty, steps=2, compile=False))
    assert held["log_evidence"].note == "exact: nothing is latent"
    assert str(held).startswith("Metrics on test: 360 rows, nothing drawn")


def test_exact_bits_are_no_bound():
    fit = zoo.fit(zoo.load("made"), guides.Empty, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["bits_per_dimension", "log_evidence"])
    bits = -found["log_evidence"].value / 64 / math.log(2)
    assert found["bits_per_dimension"].value == pytest.approx(bits, rel=IDENTITY)
    assert found["bits_per_dimension"].note == "exact: nothing is latent"


def test_it_reaches_the_likelihood_of_the_maximum(fit, x):
    means = x.mean(0)
    best = (means * means.log() + (1 - means) * (1 - means).log()).sum()
    assert zoo.evaluate(fit)["log_evidence"].value == pytest.approx(float(best), abs=1e-4)


def test_metrics_of_draws_do_not_apply(fit):
    found = zoo.evaluate(fit, metrics=["weights", "posterior", "latents", "elbo", "smc"])
    assert set(found) == {"elbo", "log_evidence"}
    for name in ("k_hat", "ess", "iwae_10", "posterior_mean_error", "kl", "smc"):
        assert "nothing is latent" in found.skipped[name]
    answers = zoo.evaluate(fit).answers
    assert answers.bound.answer == YES
    assert answers.weights.answer == answers.draws.answer == INAPPLICABLE


def test_a_fit_that_still_rises_is_not_called_done(x):
    found = zoo.evaluate(zoo.fit(Independent(4), guides.Empty, x, steps=100, lr=1e-2))
    assert found.answers.bound.answer != YES


def test_what_is_observed_outside_of_the_rows_makes_one_number(x):
    def model(x):
        loc = pyro.param("loc", torch.zeros(4))
        pyro.factor("penalty", -loc.square().sum())
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Bernoulli(logits=loc).to_event(1), obs=x)

    found = zoo.evaluate(zoo.fit(model, guides.Empty, x, steps=3), metrics=["elbo"])
    assert found["elbo"].unit == "nats"
    assert found.rows == 1


def test_minibatches_are_scaled_and_the_test_rows_are_scored():
    task = zoo.load("vae", data="digits")

    def build():
        return Independent(64)

    own = zoo.task.Task("independent", build, task.data)
    fit = zoo.fit(own, guides.Empty, steps=50, batch_size=50, objective="trace")
    found = zoo.evaluate(fit)
    assert found.split == "test"
    assert found.rows == len(task.data.test[0])
    assert -64 * math.log(2) < found["log_evidence"].value < 0


@pytest.mark.parametrize(
    ("objective", "is_bound"),
    [
        ("trace", True),
        ("iwae", True),
        (Renyi(alpha=-1.0), False),
        (VRMax(), False),
        (lambda model, guide, *args: torch.zeros(()), False),
        (LossFunction(lambda model, guide, *args: torch.zeros(()), is_bound=True), True),
    ],
)
def test_whether_a_value_is_a_bound_is_declared(objective, is_bound):
    assert as_objective(objective).value_is_bound == is_bound


def test_the_losses_of_no_bound_say_nothing_of_its_rise():
    task = zoo.load("ppca")
    of_bound, of_none = (
        zoo.evaluate(
            zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=100),
            metrics=["convergence", "elbo"],
        )
        for objective in ("iwae", VRMax())
    )
    assert "bound_rise" in of_bound
    assert "no bound" in of_none.skipped["bound_rise"]
    assert "nothing says whether it still rises" in of_none.answers.questions["bound"]["reason"]
    assert "more steps" not in of_none.answers.questions["bound"]["ask"]
