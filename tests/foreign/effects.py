"""Pairs under effect handlers: masks, factors, scales, conditioning, reparameterisation."""

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Noted, Refused
from foreign.oracles import Exact, Grid, sampled_bound
from pyro import poutine
from pyro.infer.autoguide import AutoNormal, init_to_feasible
from pyro.infer.reparam import LocScaleReparam
from torch.distributions import constraints

ROWS = 6
MEAN = (-9.0, 9.0, 180)


def data():
    return torch.linspace(-0.5, 1.5, ROWS)


def guide(x):
    loc = pyro.param("loc", x.new_tensor(0.3))
    scale = pyro.param("scale", x.new_tensor(0.6), constraint=constraints.positive)
    pyro.sample("z", dist.Normal(loc, scale))


def latent(x):
    return pyro.sample("z", dist.Normal(pyro.param("centre", x.new_tensor(0.1)), 1.0))


def masked():
    """Two of the observations are missing."""

    def model(x):
        z = latent(x)
        with pyro.plate("data", len(x)), poutine.mask(mask=torch.arange(ROWS) < 4):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    return Built(model, guide, (data(),))


def masked_distribution():
    """The same by the distribution's own mask, with NaN where nothing was seen."""
    x = data()
    seen = torch.arange(ROWS) < 4
    x[~seen] = torch.nan

    def model(x):
        z = latent(x)
        with pyro.plate("data", len(x)):
            filled = torch.where(seen, x, 0.0)
            pyro.sample("x", dist.Normal(z, 1.5).mask(seen), obs=filled)

    return Built(model, guide, (x,))


def masked_latent():
    """A latent of each row, of which some do not count, in model and guide alike."""
    present = torch.arange(ROWS) < 4

    def model(x):
        spread = pyro.param("spread", x.new_tensor(1.0))
        with pyro.plate("data", len(x)), poutine.mask(mask=present):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, spread), obs=x)

    def masked_guide(x):
        loc = pyro.param("loc", lambda: x / 2)
        with pyro.plate("data", len(x)), poutine.mask(mask=present):
            pyro.sample("z", dist.Normal(loc, 0.8))

    return Built(model, masked_guide, (data(),))


def masked_latent_evidence(built):
    (x,) = built.args
    return dist.Normal(0.0, 2.0**0.5).log_prob(x[:4]).sum()


def factored():
    """A likelihood by pyro.factor, and no observed site."""

    def model(x):
        z = latent(x)
        with pyro.plate("data", len(x)):
            pyro.factor("energy", -0.5 * ((x - z) / 1.5) ** 2)

    return Built(model, guide, (data(),))


def scaled():
    """The likelihood counts half: a power posterior."""

    def model(x):
        z = latent(x)
        with pyro.plate("data", len(x)), poutine.scale(scale=0.5):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    return Built(model, guide, (data(),))


def tempered():
    """The KL term is annealed by hand, in model and guide."""

    def model(x):
        with poutine.scale(scale=0.5):
            z = latent(x)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    return Built(model, poutine.scale(guide, scale=0.5), (data(),))


def deterministic():
    """Values that the user records on the way."""

    def model(x):
        z = latent(x)
        rate = pyro.deterministic("rate", (0.5 * z).exp())
        with pyro.plate("data", len(x)):
            mean = pyro.deterministic("mean", rate - 1)
            pyro.sample("x", dist.Normal(mean, 1.5), obs=x)

    return Built(model, guide, (data(),))


def generative(x):
    """Nothing is observed yet."""
    z = latent(x)
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(z * x, 1.2))


def conditioned():
    model = poutine.condition(generative, data={"y": data().cos()})
    return Built(model, guide, (data(),))


def conditioned_at_the_call():
    """pyro.condition inside the model that is passed."""

    def model(x, y):
        return pyro.condition(generative, data={"y": y})(x)

    return Built(model, lambda x, y: guide(x), (data(), data().cos()))


def intervened():
    """Under pyro.do the model still draws the site, whose value nothing uses."""

    def causal(x):
        z = latent(x)
        dose = pyro.sample("dose", dist.Normal(z, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z + dose, 1.5), obs=x)

    return Built(poutine.do(causal, data={"dose": torch.tensor(0.4)}), guide, (data(),))


def reparameterised():
    """A funnel-like pair, decentred by a handler; the guide is made for what comes out."""

    def centred(x):
        z = latent(x)
        w = pyro.sample("w", dist.Normal(z, 0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(w, 1.5), obs=x)

    model = poutine.reparam(centred, config={"w": LocScaleReparam(0.0)})
    return Built(model, AutoNormal(model, init_loc_fn=init_to_feasible, init_scale=0.7), (data(),))


def reparameterised_evidence(built):
    covariance = 1.25 + 1.5**2 * torch.eye(ROWS)
    mean = torch.full((ROWS,), 0.1)
    return dist.MultivariateNormal(mean, covariance).log_prob(built.args[0])


def partly_guided():
    """Pyro lets the prior stand in for the site that the guide forgets, and says nothing."""

    def model(x):
        z = latent(x)
        w = pyro.sample("w", dist.Normal(z, 0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(w, 1.5), obs=x)

    return Built(model, guide, (data(),))


def auxiliary():
    """A site of the guide that the model lacks, marked as Pyro asks."""

    def model(x):
        z = latent(x)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.5), obs=x)

    def auxiliary_guide(x):
        loc = pyro.param("loc", x.new_tensor(0.3))
        u = pyro.sample("u", dist.Normal(loc, 0.6), infer={"is_auxiliary": True})
        pyro.sample("z", dist.Delta(u))

    return Built(model, auxiliary_guide, (data(),))


SIMPLE = {"captured": True, "elbo_score": sampled_bound, "saved": True}
SCALED = Noted("(?i)scale")

CASES = (
    Case("mask over observations", masked, evidence=Grid(z=MEAN), **SIMPLE),
    Case("masked distribution over NaN", masked_distribution, evidence=Grid(z=MEAN), **SIMPLE),
    Case("mask over latents", masked_latent, evidence=Exact(masked_latent_evidence), **SIMPLE),
    Case("factor", factored, evidence=Grid(z=MEAN), **SIMPLE),
    Case("scaled likelihood", scaled, evidence=SCALED, **SIMPLE),
    Case("prior and guide scaled by hand", tempered, evidence=SCALED, **SIMPLE),
    Case("deterministic sites", deterministic, evidence=Grid(z=MEAN), **SIMPLE),
    Case("conditioned from outside", conditioned, evidence=Grid(z=MEAN), **SIMPLE),
    Case("conditioned inside", conditioned_at_the_call, evidence=Grid(z=MEAN), **SIMPLE),
    Case("do", intervened, trained=Refused("'dose'.*Sample it in the guide")),
    Case("reparam", reparameterised, evidence=Exact(reparameterised_evidence), **SIMPLE),
    Case("partly guided", partly_guided, trained=Refused("'w'.*Sample it in the guide")),
    Case(
        "auxiliary site in the guide",
        auxiliary,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
)
