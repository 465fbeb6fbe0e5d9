"""Pairs whose parameters are pyro.param statements, constrained, late, shared or per row."""

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Refused
from foreign.oracles import Exact, Grid, enumerated_bound, sampled_bound
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch.distributions import constraints

ROWS = 6
MEAN = (-9.0, 9.0, 180)


def data():
    return torch.linspace(-0.5, 1.5, ROWS)


def statements():
    """A constrained parameter in the model, two in the guide."""

    def model(x):
        spread = pyro.param("spread", x.new_tensor(1.5), constraint=constraints.positive)
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, spread), obs=x)

    def guide(x):
        loc = pyro.param("loc", lambda: x.new_tensor(0.3))
        scale = pyro.param("scale", x.new_tensor(0.6), constraint=constraints.positive)
        pyro.sample("z", dist.Normal(loc, scale))

    return Built(model, guide, (data(),))


def late():
    """Each step picks one of three parameters; the first call meets only one of them."""

    def model(x):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    def guide(x):
        which = int(torch.randint(0, 3, ()))
        loc = pyro.param(f"loc_{which}", x.new_tensor(0.2 + 0.1 * which))
        pyro.sample("z", dist.Normal(loc, 0.6))

    return Built(model, guide, (data(),))


def shared():
    """The guide's mean is the prior's: one name, two statements."""

    def model(x):
        centre = pyro.param("centre", x.new_tensor(0.4))
        z = pyro.sample("z", dist.Normal(centre, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    def guide(x):
        centre = pyro.param("centre", x.new_tensor(0.4))
        pyro.sample("z", dist.Normal(centre, 0.6))

    return Built(model, guide, (data(),))


def without_initial_value():
    """The guide, which Pyro runs first, makes what the model then asks for by name."""

    def model(x):
        spread = pyro.param("spread")
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, spread), obs=x)

    def guide(x):
        pyro.param("spread", x.new_tensor(1.5), constraint=constraints.positive)
        loc = pyro.param("loc", x.new_tensor(0.3))
        pyro.sample("z", dist.Normal(loc, 0.6))

    return Built(model, guide, (data(),))


def for_each_row():
    """A parameter in a plate that subsamples: Pyro picks its rows by itself."""

    def model(x):
        with pyro.plate("rows", len(x), subsample_size=4) as rows:
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])

    def guide(x):
        with pyro.plate("rows", len(x), subsample_size=4):
            loc = pyro.param("loc", x / 2, event_dim=0)
            pyro.sample("z", dist.Normal(loc, 0.8))

    return Built(model, guide, (data(),))


def simplex_and_ordered():
    """Weights of a mixture on the simplex, its centres in order; nothing is left to the guide."""

    @config_enumerate
    def model(x):
        weights = pyro.param("weights", x.new_tensor([0.3, 0.7]), constraint=constraints.simplex)
        centres = pyro.param(
            "centres", x.new_tensor([-0.5, 1.0]), constraint=dist.constraints.ordered_vector
        )
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(weights))
            pyro.sample("x", dist.Normal(centres[k], 0.8), obs=x)

    def guide(x):
        pass

    return Built(model, guide, (data(),))


def mixture_evidence(built):
    (x,) = built.args
    parts = torch.stack([dist.Normal(centre, 0.8).log_prob(x) for centre in (-0.5, 1.0)])
    return (parts + torch.tensor([0.3, 0.7]).log()[:, None]).logsumexp(0).sum()


def lower_cholesky():
    """A full covariance for the guide, by its factor."""

    def model(x):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z.sum(-1), 2.0), obs=x)

    def guide(x):
        factor = 0.7 * torch.eye(2).to(x)
        factor = pyro.param("factor", factor, constraint=constraints.lower_cholesky)
        loc = pyro.param("loc", x.new_full((2,), 0.2))
        pyro.sample("z", dist.MultivariateNormal(loc, scale_tril=factor))

    return Built(model, guide, (data(),))


def sum_of_two(built):
    (x,) = built.args
    covariance = 2.0 * torch.ones(ROWS, ROWS) + 4.0 * torch.eye(ROWS)
    return dist.MultivariateNormal(torch.zeros(ROWS), covariance).log_prob(x)


class Regression(PyroModule):
    """A random weight, a constrained parameter and an ordinary one."""

    def __init__(self):
        super().__init__()
        self.weight = PyroSample(dist.Normal(0.0, 1.0))
        self.noise = PyroParam(torch.tensor(1.2), constraint=constraints.positive)
        self.shift = PyroParam(torch.tensor(0.1))

    def forward(self, x, y=None):
        mean = self.weight * x + self.shift
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(mean, self.noise), obs=y)


class Posterior(PyroModule):
    """Parameters as decorated methods, one of which depends on the other."""

    @PyroParam
    def loc(self):
        return torch.tensor(0.3)

    @PyroParam(constraint=constraints.positive)
    def scale(self):
        return torch.tensor(0.5)

    def forward(self, x, y=None):
        pyro.sample("weight", dist.Normal(self.loc, self.scale))


def pyro_params():
    x = data()
    model, guide = Regression(), Posterior()
    return Built(model, guide, (x, x.sin()), modules=(model, guide))


RANDOM_BRANCH = Refused(r"(?i)control flow|random|parameter|Python side|equal")

CASES = (
    Case(
        "param statements",
        statements,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "param that the first call does not meet",
        late,
        captured=RANDOM_BRANCH,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "one param in model and guide",
        shared,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "param that the guide makes for the model",
        without_initial_value,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "param for each row of a subsampled plate",
        for_each_row,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Refused("(?i)subsampl"),
        saved=True,
    ),
    Case(
        "simplex and ordered params, nothing guided",
        simplex_and_ordered,
        elbo=lambda: TraceEnum_ELBO(max_plate_nesting=1),
        captured=True,
        elbo_score=enumerated_bound,
        evidence=Exact(mixture_evidence),
        saved=True,
    ),
    Case(
        "lower Cholesky param",
        lower_cholesky,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Exact(sum_of_two),
        saved=True,
    ),
    Case(
        "PyroSample, PyroParam and decorated PyroParams",
        pyro_params,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(weight=MEAN),
        saved=True,
    ),
)
