"""Small models with latents that few guides cover: what is refused is refused on these."""

import pyro
import pyro.distributions as dist
import torch
from cases import MODEL_CASES


def case(name):
    """A model of the zoo as its test case has it, and the arguments."""
    model, args = MODEL_CASES[name].make()
    return model, args


def numbers(model):
    """One of the models below, and six numbers as its data."""
    return model, (torch.randn(6),)


def sphere(x):
    z = pyro.sample("z", dist.ProjectedNormal(torch.tensor([0.0, 0.0, 1.0])))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)


def mixed(x):
    """A discrete latent and a continuous one for every row."""
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(x.new_full((), 0.3)))
        z = pyro.sample("z", dist.Normal(k, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def stick(x):
    """Two shares of one stick: the second is at most what the first leaves."""
    a = pyro.sample("a", dist.Uniform(x.new_zeros(()), 1.0))
    b = pyro.sample("b", dist.Uniform(x.new_zeros(()), 1 - a))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(a + b, 1.0), obs=x)


def counts(x):
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Poisson(x.new_ones(())))
        pyro.sample("x", dist.Normal(k, 1.0), obs=x)


def integers(x):
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(x.new_ones(3)))
        pyro.sample("x", dist.Normal(k.to(x.dtype), 1.0), obs=x)


def hierarchical(x):
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def two_levels(x):
    """A switch common to all rows, and one for every row."""
    common = pyro.sample("common", dist.Bernoulli(x.new_full((), 0.3)))
    with pyro.plate("data", len(x)):
        own = pyro.sample("own", dist.Bernoulli(0.2 + 0.5 * common))
        pyro.sample("x", dist.Normal(own, 1.0), obs=x)


def many_bits(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Bernoulli(x.new_full((17,), 0.5)).to_event(1))
        pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)


def unsized(x):
    with pyro.plate("data"):
        z = pyro.sample("z", dist.Normal(x.new_zeros(len(x)), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def parts(x):
    """Each row's numbers lie in a plate of which the model takes a part."""
    with pyro.plate("data", len(x), dim=-1):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        with pyro.plate("cols", 4, subsample_size=2, dim=-2) as i:
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[:, i].T)
