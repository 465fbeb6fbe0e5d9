"""Pairs with several plates: crossed, nested, subsampled, in sequence, and markov loops."""

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Refused
from foreign.oracles import Exact, Grid, sampled_bound

ROWS, COLUMNS = 6, 3


def table():
    return torch.linspace(-1.0, 1.0, ROWS * COLUMNS).reshape(ROWS, COLUMNS).sin()


def normal_log_prob(x, covariance):
    return dist.MultivariateNormal(torch.zeros(len(x)), covariance).log_prob(x)


def crossed():
    """Row and column effects, both latent, and a noise that is trained."""

    def model(x):
        noise = pyro.param("noise", x.new_tensor(1.0))
        rows = pyro.plate("rows", ROWS, dim=-2)
        columns = pyro.plate("columns", COLUMNS, dim=-1)
        with rows:
            a = pyro.sample("a", dist.Normal(x.new_zeros(()), 0.5))
        with columns:
            b = pyro.sample("b", dist.Normal(x.new_zeros(()), 0.5))
        with rows, columns:
            pyro.sample("x", dist.Normal(a + b, noise), obs=x)

    def guide(x):
        a_loc = pyro.param("a_loc", x.new_zeros(ROWS, 1))
        b_loc = pyro.param("b_loc", x.new_zeros(COLUMNS))
        with pyro.plate("rows", ROWS, dim=-2):
            pyro.sample("a", dist.Normal(a_loc, 0.45))
        with pyro.plate("columns", COLUMNS, dim=-1):
            pyro.sample("b", dist.Normal(b_loc, 0.4))

    return Built(model, guide, (table(),))


def crossed_evidence(built):
    same_row = torch.eye(ROWS).repeat_interleave(COLUMNS, 0).repeat_interleave(COLUMNS, 1)
    same_column = torch.eye(COLUMNS).repeat(ROWS, ROWS)
    covariance = 0.25 * (same_row + same_column) + torch.eye(ROWS * COLUMNS)
    return normal_log_prob(built.args[0].reshape(-1), covariance)


def nested():
    """A mean for all, one for each group, rows within groups."""

    def model(x):
        top = pyro.sample("top", dist.Normal(pyro.param("prior", x.new_tensor(0.0)), 0.7))
        with pyro.plate("groups", COLUMNS, dim=-1):
            mean = pyro.sample("mean", dist.Normal(top, 0.5))
            with pyro.plate("data", len(x), dim=-2):
                pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    def guide(x):
        loc = pyro.param("loc", x.new_zeros(COLUMNS))
        top = pyro.sample("top", dist.Normal(pyro.param("top_loc", x.new_tensor(0.1)), 0.5))
        with pyro.plate("groups", COLUMNS, dim=-1):
            pyro.sample("mean", dist.Normal(loc + 0.3 * top, 0.35))

    return Built(model, guide, (table(),))


def nested_evidence(built):
    same_column = torch.eye(COLUMNS).repeat(ROWS, ROWS)
    covariance = 0.49 + 0.25 * same_column + torch.eye(ROWS * COLUMNS)
    return normal_log_prob(built.args[0].reshape(-1), covariance)


def own_subsample():
    """The model takes its own minibatch of observed rows; one latent for all."""

    def model(x):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("rows", len(x), subsample_size=3) as picked:
            pyro.sample("x", dist.Normal(z, 1.5), obs=x[picked, 0])

    def guide(x):
        pyro.sample("z", dist.Normal(pyro.param("loc", x.new_tensor(0.1)), 0.7))

    return Built(model, guide, (table(),))


def inner_subsample():
    """A latent for each row, of which each step sees two of the three columns."""

    def model(x):
        with pyro.plate("data", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            with pyro.plate("columns", COLUMNS, subsample_size=2, dim=-2) as picked:
                pyro.sample("x", dist.Normal(z, 1.0), obs=x[:, picked].T)

    def guide(x):
        loc = pyro.param("loc", x.sum(1) / (COLUMNS + 1))
        with pyro.plate("data", len(x), dim=-1):
            pyro.sample("z", dist.Normal(loc, 0.6))

    return Built(model, guide, (table(),))


def subsample_of_rows_with_latents():
    """The user picks the minibatch, the same at each call."""

    def model(x):
        centre = pyro.param("centre", x.new_tensor(0.2))
        with pyro.plate("rows", len(x), subsample=subsample(x)) as picked:
            z = pyro.sample("z", dist.Normal(centre, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[picked, 0])

    def guide(x):
        weight = pyro.param("weight", x.new_tensor(0.4))
        with pyro.plate("rows", len(x), subsample=subsample(x)) as picked:
            pyro.sample("z", dist.Normal(weight * x[picked, 0], 0.8))

    def subsample(x):
        return torch.arange(0, len(x), 2)

    return Built(model, guide, (table(),))


def sequential():
    """A plate as a loop: one site for each row."""

    def model(x):
        noise = pyro.param("noise", x.new_tensor(1.0))
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        for i in pyro.plate("rows", len(x)):
            pyro.sample(f"x_{i}", dist.Normal(z, noise), obs=x[i, 0])

    def guide(x):
        pyro.sample("z", dist.Normal(pyro.param("loc", x.new_tensor(0.1)), 0.5))

    return Built(model, guide, (table(),))


def sequential_latents():
    """The same with a latent in each turn of the loop."""

    def model(x):
        spread = pyro.param("spread", x.new_tensor(1.0))
        for i in pyro.plate("rows", len(x)):
            z = pyro.sample(f"z_{i}", dist.Normal(x.new_zeros(()), spread))
            pyro.sample(f"x_{i}", dist.Normal(z, 1.0), obs=x[i, 0])

    def guide(x):
        weight = pyro.param("weight", x.new_tensor(0.4))
        for i in pyro.plate("rows", len(x)):
            pyro.sample(f"z_{i}", dist.Normal(weight * x[i, 0], 0.8))

    return Built(model, guide, (table(),))


def sequential_evidence(built):
    return dist.Normal(0.0, 2.0**0.5).log_prob(built.args[0][:, 0]).sum()


def walk():
    """A random walk in a markov loop, each row a series."""

    def model(x):
        step = pyro.param("step", x.new_tensor(0.8))
        with pyro.plate("data", len(x)):
            z = x.new_zeros(len(x))
            for t in pyro.markov(range(COLUMNS)):
                z = pyro.sample(f"z_{t}", dist.Normal(z, step))
                pyro.sample(f"x_{t}", dist.Normal(z, 1.0), obs=x[:, t])

    def guide(x):
        weight = pyro.param("weight", x.new_tensor(0.4))
        with pyro.plate("data", len(x)):
            for t in pyro.markov(range(COLUMNS)):
                pyro.sample(f"z_{t}", dist.Normal(weight * x[:, t], 0.75))

    return Built(model, guide, (table(),))


def walk_evidence(built):
    times = torch.arange(1.0, COLUMNS + 1)
    covariance = 0.64 * torch.minimum(times[:, None], times) + torch.eye(COLUMNS)
    zeros = torch.zeros(COLUMNS)
    return dist.MultivariateNormal(zeros, covariance).log_prob(built.args[0]).sum()


SUBSAMPLED = Refused("(?i)subsampl")
READS = Refused("(?i)values? .*(read|tracing)")  # of the plate's indices, by Pyro

CASES = (
    Case(
        "crossed plates",
        crossed,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Exact(crossed_evidence),
        saved=True,
    ),
    Case(
        "nested plates",
        nested,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Exact(nested_evidence),
        saved=True,
    ),
    Case(
        "rows that the model subsamples",
        own_subsample,
        captured=True,
        elbo_score=sampled_bound,
        evidence=SUBSAMPLED,
        saved=True,
    ),
    Case(
        "columns subsampled inside the rows",
        inner_subsample,
        captured=True,
        elbo_score=sampled_bound,
        evidence=SUBSAMPLED,
        saved=True,
    ),
    Case(
        "every other row, by hand",
        subsample_of_rows_with_latents,
        captured=True,
        elbo_score=sampled_bound,
        evidence=SUBSAMPLED,
        saved=True,
    ),
    Case(
        "a plate as a loop",
        sequential,
        captured=READS,
        elbo_score=sampled_bound,
        evidence=Grid(z=(-9.0, 9.0, 180)),
        saved=True,
    ),
    Case(
        "a plate as a loop over latents",
        sequential_latents,
        captured=READS,
        elbo_score=sampled_bound,
        evidence=Exact(sequential_evidence),
        saved=True,
    ),
    Case(
        "random walk in a markov loop",
        walk,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Exact(walk_evidence),
        saved=True,
    ),
)
