"""Pyro's automatic guides as users combine them, Messengers for guides, losses of one's own."""

from functools import partial

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Noted, Refused
from foreign.oracles import Exact, sampled_bound
from pyro import poutine
from pyro.contrib.easyguide import EasyGuide, easy_guide
from pyro.infer import JitTrace_ELBO, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import (
    AutoDelta,
    AutoGuideList,
    AutoLaplaceApproximation,
    AutoMessenger,
    AutoMultivariateNormal,
    AutoNormal,
    AutoNormalMessenger,
    AutoStructured,
    init_to_feasible,
)
from pyro.nn import PyroParam

ROWS = 6


def data():
    return torch.linspace(-0.5, 1.5, ROWS)


def model(x):
    """Two latents for all rows."""
    noise = pyro.param("noise", x.new_tensor(1.5))
    a = pyro.sample("a", dist.Normal(x.new_zeros(()), 1.0))
    b = pyro.sample("b", dist.Normal(x.new_zeros(()), 0.7))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(a + b * x, noise), obs=x.cos())


def evidence(built):
    (x,) = built.args
    covariance = 1.0 + 0.49 * x[:, None] * x + 1.5**2 * torch.eye(ROWS)
    return dist.MultivariateNormal(torch.zeros(ROWS), covariance).log_prob(x.cos())


def rows(x):
    """A latent for each of three rows and one for all."""
    a = pyro.sample("a", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        b = pyro.sample("b", dist.Normal(a, 1.0))
        pyro.sample("x", dist.Normal(b, 1.5), obs=x)


def rows_evidence(built):
    covariance = 1.0 + (1.0 + 1.5**2) * torch.eye(3)
    return dist.MultivariateNormal(torch.zeros(3), covariance).log_prob(built.args[0])


def of(guide, body=model):
    return lambda: Built(body, guide(body), (data() if body is model else data()[:3],))


def as_class(guide, **settings):
    """The class itself, which the fit builds; Pyro needs an instance."""
    family = partial(guide, init_loc_fn=init_to_feasible, **settings)
    return lambda: Built(model, family, (data(),), pyros_guide=family(model))


def point(body):
    return AutoDelta(body, init_loc_fn=init_to_feasible)


def normal(body):
    return AutoNormal(body, init_loc_fn=init_to_feasible, init_scale=0.6)


def guide_list(body):
    """A guide for each latent."""
    guide = AutoGuideList(body)
    guide.append(normal(poutine.block(body, expose=["a"])))
    full = AutoMultivariateNormal
    guide.append(
        full(poutine.block(body, expose=["b"]), init_loc_fn=init_to_feasible, init_scale=0.6)
    )
    return guide


def half_by_hand(body):
    """A list with a function in it."""

    def own(x):
        pyro.sample("b", dist.Normal(pyro.param("b_loc", x.new_tensor(0.1)), 0.6))

    guide = AutoGuideList(body)
    guide.append(normal(poutine.block(body, expose=["a"])))
    guide.append(own)
    return guide


def messenger(body):
    return AutoNormalMessenger(body, init_loc_fn=init_to_feasible, init_scale=0.6)


class Sheared(AutoMessenger):
    """A Messenger of the user's own: b's mean follows a."""

    def __init__(self, body):
        super().__init__(body)
        self.locs = PyroParam(torch.tensor([0.2, 0.1]))
        self.slope = PyroParam(torch.tensor(-0.3))

    def get_posterior(self, name, prior):
        if name == "a":
            return dist.Normal(self.locs[0], 0.7)
        return dist.Normal(self.locs[1] + self.slope * self.upstream_value("a"), 0.6)


def structured(body):
    return AutoStructured(
        body,
        conditionals={"a": "normal", "b": "normal"},
        dependencies={"b": {"a": "linear"}},
        init_loc_fn=init_to_feasible,
        init_scale=0.6,
    )


def easy(body):
    """Pyro's EasyGuide as a decorated function."""

    @easy_guide(body)
    def guide(self, x):
        loc = pyro.param("a_loc", x.new_tensor(0.2))
        pyro.sample("a", dist.Normal(loc, 0.6))
        with self.plate("data", len(x), subsample=x):
            b_loc = pyro.param("b_loc", lambda: x / 4)
            pyro.sample("b", dist.Normal(b_loc, 0.6))

    assert isinstance(guide, EasyGuide)
    return guide


def half_scaled(body):
    return poutine.scale(normal(body), scale=0.5)


class OwnELBO(Trace_ELBO):
    """A loss of the user's own class."""

    def loss_and_grads(self, model, guide, *args, **kwargs):
        return super().loss_and_grads(model, guide, *args, **kwargs)


def own_loss(model, guide, *args, **kwargs):
    """A loss as a function, which Pyro's SVI takes."""
    drawn = poutine.trace(guide).get_trace(*args, **kwargs)
    replayed = poutine.trace(poutine.replay(model, trace=drawn)).get_trace(*args, **kwargs)
    return drawn.log_prob_sum() - replayed.log_prob_sum()


SIMPLE = {
    "captured": True,
    "elbo_score": sampled_bound,
    "evidence": Exact(evidence),
    "saved": True,
}
POINT = {"elbo_score": Refused("(?i)point"), "evidence": Refused("(?i)point")}
READS = Refused("(?i)values? .*read")  # Pyro's loss_and_grads returns a number
OF_ROWS = {**SIMPLE, "evidence": Exact(rows_evidence)}

CASES = (
    Case("AutoNormal", of(normal), **SIMPLE),
    Case("AutoNormal over rows", of(normal, rows), **OF_ROWS),
    Case("AutoNormal as a class", as_class(AutoNormal, init_scale=0.6), **SIMPLE),
    Case(
        "AutoNormalMessenger as a class", as_class(AutoNormalMessenger, init_scale=0.6), **SIMPLE
    ),
    Case("AutoLaplaceApproximation", as_class(AutoLaplaceApproximation), **{**SIMPLE, **POINT}),
    Case("AutoGuideList", of(guide_list), **SIMPLE),
    Case("AutoGuideList with a function", of(half_by_hand), **SIMPLE),
    Case("AutoNormalMessenger", of(messenger), **SIMPLE),
    Case("a Messenger of one's own", of(Sheared), **SIMPLE),
    Case("AutoStructured", of(structured), **SIMPLE),
    Case("EasyGuide", of(easy, rows), **OF_ROWS),
    Case("AutoDelta", of(point), **{**SIMPLE, **POINT}),
    Case("TraceMeanField_ELBO", of(normal), elbo=TraceMeanField_ELBO, **SIMPLE),
    Case(
        "AutoGuide under poutine.scale",
        of(half_scaled),
        **{**SIMPLE, "evidence": Noted("(?i)scale")},
    ),
    Case(
        "subclass of Trace_ELBO",
        of(normal),
        elbo=OwnELBO,
        own_loss=True,
        **{**SIMPLE, "captured": READS},
    ),
    Case("loss function", of(normal), elbo=lambda: own_loss, own_loss=True, **SIMPLE),
    Case("JitTrace_ELBO", of(normal), elbo=JitTrace_ELBO, trained=Refused("compile=True")),
)
