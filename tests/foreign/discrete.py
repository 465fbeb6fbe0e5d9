"""Pairs with discrete latents: summed out by Pyro, guided, with baselines, in chains."""

import itertools

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Refused
from foreign.oracles import Exact, PyroBound, Sum, sampled_bound
from pyro.infer import (
    RenyiELBO,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    config_enumerate,
)
from pyro.infer.autoguide import AutoNormal, init_to_mean
from pyro.ops.indexing import Vindex
from torch import nn
from torch.distributions import constraints

ROWS = 4


def data():
    return torch.tensor([-1.0, -0.5, 0.8, 1.6])


def bits(count=ROWS):
    return [
        torch.tensor(row, dtype=torch.float64) for row in itertools.product((0, 1), repeat=count)
    ]


def labels():
    return [torch.tensor(row) for row in itertools.product((0, 1), repeat=ROWS)]


def enumerated(nesting=1):
    return lambda: TraceEnum_ELBO(max_plate_nesting=nesting)


def mixture(x):
    """Two components around one latent place."""
    place = pyro.sample("place", dist.Normal(x.new_zeros(()), 0.7))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(x.new_tensor([0.3, 0.7])))
        pyro.sample("x", dist.Normal(place + x.new_tensor([-1.0, 1.0])[k], 0.8), obs=x)


def place_guide(x):
    loc = pyro.param("loc", x.new_tensor(-0.2))
    pyro.sample("place", dist.Normal(loc, 0.5))


def left_to_the_loss():
    """The guide leaves the labels to TraceEnum_ELBO."""
    return Built(config_enumerate(mixture), place_guide, (data(),))


def left_by_an_autoguide():
    model = config_enumerate(mixture)
    guide = AutoNormal(
        pyro.poutine.block(model, hide=["k"]), init_loc_fn=init_to_mean, init_scale=0.5
    )
    return Built(model, guide, (data(),))


def mixture_evidence(built):
    (x,) = built.args
    place = torch.linspace(-6.0, 6.0, 2001)
    parts = [
        torch.tensor(p).log() + dist.Normal(place[:, None] + m, 0.8).log_prob(x)
        for p, m in ((0.3, -1.0), (0.7, 1.0))
    ]
    joint = torch.logaddexp(*parts).sum(1) + dist.Normal(0.0, 0.7).log_prob(place)
    return joint.logsumexp(0) + (place[1] - place[0]).log()


def enumerated_in_the_guide():
    """The guide has the labels' probabilities, and Pyro sums over them in the guide."""

    def model(x):
        spread = pyro.param("spread", x.new_tensor(0.8), constraint=constraints.positive)
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(x.new_tensor([0.3, 0.7])))
            pyro.sample("x", dist.Normal(x.new_tensor([-1.0, 1.0])[k], spread), obs=x)

    @config_enumerate
    def guide(x):
        probs = pyro.param(
            "probs", lambda: x.new_tensor([[0.6, 0.4]] * len(x)), constraint=constraints.simplex
        )
        with pyro.plate("data", len(x)):
            pyro.sample("k", dist.Categorical(probs))

    return Built(model, guide, (data(),))


def chain():
    """A hidden Markov model in a markov loop; all states are summed out."""

    @config_enumerate
    def model(x):
        stay = pyro.param("stay", x.new_tensor(0.8), constraint=constraints.unit_interval)
        places = pyro.sample("places", dist.Normal(x.new_tensor([-1.0, 1.0]), 0.4).to_event(1))
        rows = torch.stack([torch.stack([stay, 1 - stay]), torch.stack([1 - stay, stay])])
        z = torch.tensor(0)
        for t in pyro.markov(range(len(x))):
            z = pyro.sample(f"z_{t}", dist.Categorical(Vindex(rows)[z]))
            pyro.sample(f"x_{t}", dist.Normal(Vindex(places)[z], 0.8), obs=x[t])

    def guide(x):
        loc = pyro.param("loc", x.new_tensor([-0.8, 1.0]))
        pyro.sample("places", dist.Normal(loc, 0.35).to_event(1))

    return Built(model, guide, (data()[:3],))


def chain_evidence(built):
    """By the forward recursion at each point of a grid over both places."""
    (x,) = built.args
    axis = torch.linspace(-3.0, 3.0, 241)
    places = torch.cartesian_prod(axis, axis)
    step = torch.tensor([[0.8, 0.2], [0.2, 0.8]]).log()
    alpha = step[0].expand(len(places), 2)
    for t, value in enumerate(x):
        if t:
            alpha = (alpha[:, :, None] + step).logsumexp(1)
        alpha = alpha + dist.Normal(places, 0.8).log_prob(value)
    prior = dist.Normal(torch.tensor([-1.0, 1.0]), 0.4).log_prob(places).sum(1)
    return (alpha.logsumexp(1) + prior).logsumexp(0) + 2 * (axis[1] - axis[0]).log()


def coins(x):
    """A bit for each row."""
    centres = pyro.param("centres", x.new_tensor([-0.7, 0.9]))
    with pyro.plate("data", len(x)):
        b = pyro.sample("b", dist.Bernoulli(x.new_tensor(0.4)))
        pyro.sample("x", dist.Normal(centres[0] * (1 - b) + centres[1] * b, 1.0), obs=x)


def coin_guide(infer):
    def guide(x):
        logits = pyro.param("logits", lambda: 0.5 * x)
        with pyro.plate("data", len(x)):
            pyro.sample("b", dist.Bernoulli(logits=logits), infer=infer)

    return guide


def score_function():
    return Built(coins, coin_guide({}), (data(),))


def decaying_baseline():
    """Pyro keeps the running average in its parameter store."""
    infer = {"baseline": {"use_decaying_avg_baseline": True, "baseline_beta": 0.8}}
    return Built(coins, coin_guide(infer), (data(),))


def neural_baseline():
    """A net of the user's own predicts the learning signal."""
    net = nn.Linear(1, 1)

    def guide(x):
        pyro.module("baseline", net)
        logits = pyro.param("logits", lambda: 0.5 * x)
        infer = {"baseline": {"nn_baseline": lambda v: net(v).squeeze(-1)}}
        infer["baseline"]["nn_baseline_input"] = x[:, None]
        with pyro.plate("data", len(x)):
            pyro.sample("b", dist.Bernoulli(logits=logits), infer=infer)

    return Built(coins, guide, (data(),), modules=(net,))


def infinite():
    """A count without an upper end, guided by another."""

    def model(x):
        rate = pyro.param("rate", x.new_tensor(1.5), constraint=constraints.positive)
        n = pyro.sample("n", dist.Poisson(rate))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.3 * n, 1.0), obs=x)

    def guide(x):
        rate = pyro.param("guess", x.new_tensor(1.2), constraint=constraints.positive)
        pyro.sample("n", dist.Poisson(rate))

    return Built(model, guide, (data(),))


SIMPLE = {"elbo_score": sampled_bound, "saved": True}

CASES = (
    Case(
        "labels left to TraceEnum_ELBO",
        left_to_the_loss,
        elbo=enumerated(),
        captured=True,
        elbo_score=PyroBound(enumerated()),
        evidence=Exact(mixture_evidence),
        saved=True,
    ),
    Case(
        "labels hidden from an AutoGuide",
        left_by_an_autoguide,
        elbo=enumerated(),
        captured=True,
        elbo_score=PyroBound(enumerated()),
        evidence=Exact(mixture_evidence),
        saved=True,
    ),
    Case(
        "labels enumerated in the guide",
        enumerated_in_the_guide,
        elbo=enumerated(),
        captured=True,
        elbo_score=PyroBound(enumerated()),
        evidence=Sum("k", labels),
        saved=True,
    ),
    Case(
        "hidden Markov chain, summed out",
        chain,
        elbo=enumerated(0),
        captured=True,
        elbo_score=PyroBound(enumerated(0)),
        evidence=Exact(chain_evidence),
        saved=True,
    ),
    Case(
        "bits by score function", score_function, captured=True, evidence=Sum("b", bits), **SIMPLE
    ),
    Case(
        "bits, TraceGraph_ELBO",
        score_function,
        elbo=TraceGraph_ELBO,
        captured=True,
        evidence=Sum("b", bits),
        **SIMPLE,
    ),
    Case(
        "decaying baseline",
        decaying_baseline,
        elbo=TraceGraph_ELBO,
        captured=Refused("(?i)Python side|baseline|state"),
        evidence=Sum("b", bits),
        **SIMPLE,
    ),
    Case(
        "neural baseline",
        neural_baseline,
        in_place=True,
        elbo=TraceGraph_ELBO,
        captured=True,
        evidence=Sum("b", bits),
        **SIMPLE,
    ),
    Case(
        "bits, RenyiELBO of three particles",
        score_function,
        elbo=lambda: RenyiELBO(alpha=0.5, num_particles=3),
        captured=Refused(r"(?i)item|control flow|Renyi"),
        evidence=Sum("b", bits),
        **SIMPLE,
    ),
    Case(
        "bits, four vectorised particles",
        score_function,
        elbo=lambda: Trace_ELBO(4, vectorize_particles=True, max_plate_nesting=1),
        captured=True,
        evidence=Sum("b", bits),
        **SIMPLE,
    ),
    Case(
        "count without an upper end",
        infinite,
        captured=Refused("(?i)poisson"),
        evidence=Sum("n", lambda: list(torch.arange(0.0, 60.0))),
        **SIMPLE,
    ),
)
