"""Latents with supports of their own, and guides whose noise is not normal."""

import math

import pyro
import pyro.distributions as dist
import pyro.distributions.transforms as T
import torch
from foreign.case import Built, Case, Refused
from foreign.oracles import Exact, Grid, sampled_bound
from pyro.infer.autoguide import AutoNormal, init_to_mean
from torch.distributions import constraints

ROWS = 6


def data():
    return torch.linspace(-0.5, 1.5, ROWS)


def counts():
    return torch.tensor([1.0, 0.0, 2.0, 3.0, 1.0, 0.0])


def positive(name, value):
    return pyro.param(name, torch.tensor(value), constraint=constraints.positive)


def gamma():
    """Conjugate: a rate under counts."""

    def model(x):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Poisson(rate), obs=x)

    def guide(x):
        pyro.sample("rate", dist.Gamma(positive("a", 6.0), positive("b", 5.0)))

    return Built(model, guide, (counts(),))


def beta():
    def model(x):
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Bernoulli(p), obs=x)

    def guide(x):
        pyro.sample("p", dist.Beta(positive("a", 4.0), positive("b", 3.0)))

    return Built(model, guide, ((counts() > 0).double(),))


def beta_evidence(built):
    ones = float(built.args[0].sum())
    a, b = 2.0 + ones, 2.0 + ROWS - ones
    return torch.tensor(
        math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b) - 2 * math.lgamma(2) + math.lgamma(4)
    )


def dirichlet():
    """A point on the simplex over three classes."""

    def model(x):
        p = pyro.sample("p", dist.Dirichlet(torch.tensor([1.0, 2.0, 1.5])))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Categorical(p), obs=x)

    def guide(x):
        start = torch.tensor([2.0, 4.0, 3.0])
        pyro.sample("p", dist.Dirichlet(pyro.param("a", start, constraint=constraints.positive)))

    return Built(model, guide, (torch.tensor([0, 1, 1, 2, 1, 2]),))


def dirichlet_evidence(built):
    prior = torch.tensor([1.0, 2.0, 1.5])
    posterior = prior + torch.bincount(built.args[0], minlength=3)
    volumes = [a.lgamma().sum() - a.sum().lgamma() for a in (posterior, prior)]
    return volumes[0] - volumes[1]


def simplex():
    """The same latent under a normal guide."""
    model = dirichlet().model
    guide = AutoNormal(model, init_loc_fn=init_to_mean, init_scale=0.5)
    return Built(model, guide, (torch.tensor([0, 1, 1, 2, 1, 2]),))


def ordered():
    """Two places in order, by a transform of the prior."""

    def model(x):
        base = dist.Normal(x.new_tensor([0.0, -0.3]), x.new_tensor([0.7, 0.5])).to_event(1)
        prior = dist.TransformedDistribution(base, T.OrderedTransform())
        places = pyro.sample("places", prior)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(places.mean(-1), 1.2), obs=x)

    def guide(x):
        loc = pyro.param("loc", x.new_tensor([0.0, -0.3]))
        base = dist.Normal(loc, x.new_tensor([0.5, 0.5])).to_event(1)
        pyro.sample("places", dist.TransformedDistribution(base, T.OrderedTransform()))

    return Built(model, guide, (data(),))


def ordered_evidence(built):
    """Over the two numbers before the transform."""
    u, v = torch.linspace(-5.0, 5.0, 401)[:, None], torch.linspace(-4.0, 4.0, 401)
    mean = u + v.exp() / 2
    joint = dist.Normal(mean[..., None], 1.2).log_prob(built.args[0]).sum(-1)
    joint = joint + dist.Normal(0.0, 0.7).log_prob(u) + dist.Normal(-0.3, 0.5).log_prob(v)
    return joint.flatten().logsumexp(0) + math.log(0.025 * 0.02)


def lkj():
    """A correlation under an LKJ prior."""

    def model(x):
        factor = pyro.sample("factor", dist.LKJCholesky(2, torch.tensor(2.0)))
        with pyro.plate("data", len(x)):
            loc = pyro.param("loc", x.new_zeros(2))
            pyro.sample("x", dist.MultivariateNormal(loc, scale_tril=factor), obs=x)

    x = torch.stack([data(), (3 * data()).cos()], -1)
    guide = AutoNormal(model, init_loc_fn=init_to_mean, init_scale=0.5)
    return Built(model, guide, (x,))


def lkj_evidence(built):
    """Over the correlation r: its density is proportional to (1 - r^2)^(eta - 1), eta = 2."""
    (x,) = built.args
    r = torch.linspace(-1.0, 1.0, 4003)[1:-1]
    one = torch.ones_like(r)
    covariance = torch.stack([one, r, r, one], -1).reshape(-1, 2, 2)
    likelihood = dist.MultivariateNormal(torch.zeros(2), covariance[:, None]).log_prob(x).sum(-1)
    prior = (0.75 * (1 - r**2)).log()
    return (likelihood + prior).logsumexp(0) + math.log(2.0 / 4002)


def half_cauchy():
    """A scale with a heavy tail, guided on the log scale."""

    def model(x):
        scale = pyro.sample("scale", dist.HalfCauchy(x.new_tensor(1.0)))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.5, scale), obs=x)

    def guide(x):
        loc, spread = pyro.param("loc", x.new_tensor(-0.3)), positive("spread", 0.4)
        pyro.sample("scale", dist.LogNormal(loc, spread))

    return Built(model, guide, (data(),))


def interval():
    """A support whose ends are numbers, under a student's t guide squeezed into it."""

    def model(x):
        z = pyro.sample("z", dist.Uniform(-1.0, 3.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.StudentT(4.0, z, positive("spread", 1.1)), obs=x)

    def guide(x):
        base = dist.Normal(pyro.param("loc", x.new_tensor(-0.1)), 0.7)
        squeeze = [T.SigmoidTransform(), T.AffineTransform(-1.0, 4.0)]
        pyro.sample("z", dist.TransformedDistribution(base, squeeze))

    return Built(model, guide, (data(),))


def circular():
    """An angle, whose guide draws by rejection and has no gradient through its draws."""

    def model(x):
        angle = pyro.sample("angle", dist.VonMises(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.VonMises(angle, positive("k", 2.0)), obs=x)

    def guide(x):
        loc = pyro.param("loc", x.new_tensor(0.4))
        pyro.sample("angle", dist.VonMises(loc, 5.0))

    return Built(model, guide, (data(),))


def flow():
    """A guide with a flow, whose parameters are in a pyro.module."""
    torch.manual_seed(3)
    layers = [T.affine_autoregressive(2, hidden_dims=[4]), T.permute(2, torch.tensor([1, 0]))]

    def model(x):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z.sum(-1), 4.0), obs=x)

    def guide(x):
        pyro.module("flow", layers[0])
        base = dist.Normal(x.new_zeros(2), 1.0).to_event(1)
        pyro.sample("z", dist.TransformedDistribution(base, layers))

    return Built(model, guide, (data(),), modules=(layers[0],))


def flow_evidence(built):
    covariance = 2.0 + 16.0 * torch.eye(ROWS)
    return dist.MultivariateNormal(torch.zeros(ROWS), covariance).log_prob(built.args[0])


SIMPLE = {"elbo_score": sampled_bound, "saved": True}
KNOWN = {"captured": True, **SIMPLE}

CASES = (
    Case("gamma", gamma, evidence=Grid(rate=(0.0, 12.0, 600)), **KNOWN),
    Case("beta", beta, evidence=Exact(beta_evidence), **KNOWN),
    Case("Dirichlet", dirichlet, evidence=Exact(dirichlet_evidence), **KNOWN),
    Case("simplex under a normal guide", simplex, evidence=Exact(dirichlet_evidence), **KNOWN),
    Case("ordered vector", ordered, evidence=Exact(ordered_evidence), **KNOWN),
    Case("LKJ", lkj, evidence=Exact(lkj_evidence), **KNOWN),
    Case("half Cauchy", half_cauchy, evidence=Grid(scale=(0.0, 30.0, 800)), **KNOWN),
    Case("interval under a squeezed normal", interval, evidence=Grid(z=(-1.0, 3.0, 400)), **KNOWN),
    Case(
        "von Mises",
        circular,
        captured=Refused("(?i)von|control flow"),
        evidence=Grid(angle=(-math.pi, math.pi, 300)),
        **SIMPLE,
    ),
    Case("flow in the guide", flow, in_place=True, evidence=Exact(flow_evidence), **KNOWN),
)
