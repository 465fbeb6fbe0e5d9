"""What is refused before training: what Pyro's validation refuses, and supports that move."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from pyro.infer.autoguide import AutoNormal
from torch.distributions import constraints

import zoo
from guides import AmortisedNormal, FullRank, MeanField
from zoo.latents import Kind

Y = torch.linspace(-1.0, 2.0, 6)


def observes(likelihood):
    def model(x):
        rate = pyro.sample("rate", dist.Beta(2.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", likelihood(rate), obs=x)

    return model


OUTSIDE = {  # name -> likelihood, and data whose third row lies outside of its support
    "Bernoulli": (dist.Bernoulli, [0.0, 1.0, 5.0, 1.0]),
    "Poisson": (dist.Poisson, [0.0, 1.0, 2.5, 1.0]),
    "Exponential": (dist.Exponential, [0.1, 1.0, -2.0, 1.0]),
    "not a number": (lambda rate: dist.Normal(rate, 1.0), [0.1, 1.0, float("nan"), 1.0]),
}


@pytest.mark.parametrize("guide", [MeanField, AutoNormal])
@pytest.mark.parametrize("name", OUTSIDE)
def test_data_outside_their_support(name, guide):
    likelihood, values = OUTSIDE[name]
    with pytest.raises(ValueError, match="site 'x'") as caught:
        zoo.fit(observes(likelihood), guide, torch.tensor(values), steps=2)
    assert any("validate_args=False" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("name", OUTSIDE)
def test_rows_beyond_the_first_minibatch_are_checked(name):
    likelihood, values = OUTSIDE[name]
    rows = torch.tensor(values)
    with pytest.raises(ValueError, match=r"values of 'x' to be .*; row 2 has \["):
        zoo.fit(observes(likelihood), MeanField, rows, steps=2, batch_size=2)


def test_values_that_are_meant():
    """Intensities under a Bernoulli: the distribution says that they are meant."""
    x = torch.tensor([0.1, 0.9, 0.4, 0.3])
    model = observes(lambda rate: dist.Bernoulli(rate, validate_args=False))
    for batch in (None, 2):
        assert zoo.fit(model, MeanField, x, steps=2, batch_size=batch).losses.isfinite().all()


def test_a_caller_without_validation_is_not_checked():
    x = torch.tensor([0.1, 0.9, 0.4, 0.3])
    with pyro.validation_enabled(is_validate=False):
        assert zoo.fit(observes(dist.Bernoulli), MeanField, x, steps=2).losses.isfinite().all()


def unplated(y):
    w = pyro.sample("w", dist.Normal(torch.zeros(3), 1.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(w.sum(), 1.0), obs=y)


@pytest.mark.parametrize("guide", [MeanField, FullRank, AutoNormal])
def test_a_vector_that_belongs_to_no_plate(guide):
    with pytest.raises(ValueError, match=r'at site "w", invalid log_prob shape') as caught:
        zoo.fit(unplated, guide, Y, steps=2)
    assert ".to_event(...)" in str(caught.value)


def stick(y):
    a = pyro.sample("a", dist.Uniform(0.0, 1.0))
    b = pyro.sample("b", dist.Uniform(0.0, 1 - a))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(a + b, 1.0), obs=y)


def up_to_a_parameter(y):
    top = pyro.param("top", torch.tensor(3.0), constraint=constraints.positive)
    b = pyro.sample("b", dist.Uniform(0.0, top))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(b, 1.0), obs=y)


def up_to_its_row(y):
    with pyro.plate("data", len(y)):
        b = pyro.sample("b", dist.Uniform(0.0, 1.0 + y.abs()))
        pyro.sample("y", dist.Normal(b, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "what", "guide", "batch"),
    [
        (stick, "other latents", MeanField, None),
        (up_to_a_parameter, "a parameter that is trained", MeanField, None),
        (up_to_its_row, "the row", AmortisedNormal, 2),
    ],
)
def test_a_support_that_moves(model, what, guide, batch):
    with pytest.raises(zoo.PairingError, match=f"'b' depends on {what}.*Uniform\\(0, 1\\)"):
        zoo.fit(model, guide, Y, steps=2, batch_size=batch)


def test_a_support_that_stays():
    def model(y):
        b = pyro.sample("b", dist.Uniform(-2.0, 3.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(b, 1.0), obs=y)

    assert zoo.describe(model, Y).moving == ()
    assert zoo.fit(model, MeanField, Y, steps=2).losses.isfinite().all()


def flat(y):
    with pyro.plate("two", 2):
        z = pyro.sample("z", dist.ImproperUniform(constraints.positive, (), (3,)))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(z.sum(-1).sum(-1, keepdim=True), 1.0), obs=y)


def test_a_flat_prior_is_described_and_trained():
    (site,) = zoo.describe(flat, Y).sites
    assert (site.kind, tuple(site.event_shape), tuple(site.batch_shape)) == (
        Kind.CONTINUOUS,
        (3,),
        (2,),
    )
    fitted = zoo.fit(flat, MeanField, Y, steps=400, lr=0.05)
    assert fitted.losses[-50:].mean() < fitted.losses[:50].mean()


def test_a_flat_prior_under_an_autoguide_that_starts_from_a_draw():
    with pytest.raises(ValueError, match="init_to_value"):
        zoo.fit(flat, AutoNormal, Y, steps=2)


def product(table):
    b = pyro.sample("b", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(table)):
        pyro.sample("y", dist.Normal(b @ table.T, 1.0), obs=table.sum(-1))


def test_a_model_that_runs_its_particles_one_by_one_says_so():
    table = torch.linspace(-1.0, 2.0, 12).reshape(6, 2)
    assert "two particles at once" in zoo.describe(product, table).narrow
    with pytest.warns(UserWarning, match=r"one after another, because .* for b @ X.T"):
        zoo.fit(product, MeanField, table, steps=2, objective="iwae")
    zoo.fit(product, MeanField, table, steps=2)  # one particle: nothing to say


def fails_at(run):
    """Its matrix has no Cholesky factor from that run on."""
    runs = []

    def model(y):
        runs.append(None)
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        matrix = torch.eye(2) * (1.0 if len(runs) <= run else -1.0)
        torch.linalg.cholesky(matrix)
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(z, 1.0), obs=y)

    return model, runs


def test_an_error_of_the_model_says_where_it_arose():
    model, runs = fails_at(10**6)
    zoo.fit(model, FullRank, Y, steps=1)
    before = len(runs) - 1  # runs of the set-up
    for run, where in ((0, "the first run of the model"), (before + 2, "step 2 of training")):
        with pytest.raises(torch.linalg.LinAlgError) as caught:
            zoo.fit(fails_at(run)[0], FullRank, Y, steps=5)
        assert any(where in note for note in caught.value.__notes__)


def test_an_error_while_scoring_says_so():
    model, runs = fails_at(10**6)
    fitted = zoo.fit(model, FullRank, Y, steps=5)
    runs.extend([None] * 10**6)
    with pytest.raises(torch.linalg.LinAlgError) as caught:
        zoo.evaluate(fitted, metrics=["elbo"])
    assert any("scoring: elbo" in note for note in caught.value.__notes__)


def keyword_only(*, x=None):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def nothing_given():
    keyword_only(x=Y)


def positional(x):
    keyword_only(x=x)


@pytest.mark.parametrize("guide", [MeanField, AutoNormal])
def test_a_model_without_positional_arguments(guide):
    settings = {"steps": 5, "lr": 0.05}
    expected = zoo.fit(positional, guide, Y, **settings).losses
    closed = zoo.fit(nothing_given, guide, **settings)
    keyword = zoo.fit(keyword_only, guide, model_kwargs={"x": Y}, **settings)
    for fitted in (closed, keyword):
        torch.testing.assert_close(fitted.losses, expected, rtol=IDENTITY, atol=0)
        assert {"elbo"} == set(zoo.evaluate(fitted, metrics=["elbo"]))


def test_minibatches_need_positional_arguments():
    with pytest.raises(ValueError, match="batch_size=2 among the model's positional arguments"):
        zoo.fit(keyword_only, MeanField, model_kwargs={"x": Y}, steps=2, batch_size=2)


def test_a_keyword_that_is_no_setting():
    with pytest.raises(ValueError, match=r"no setting 'x'.*model_kwargs=\{'x': \.\.\.\}"):
        zoo.fit(keyword_only, MeanField, steps=2, x=Y)
    with pytest.raises(ValueError, match="Did you mean 'steps'"):
        zoo.fit(positional, MeanField, Y, step=2)
