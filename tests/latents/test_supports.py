"""What follows from a support: mixtures have that of their components."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import biject_to, constraints

import zoo
from guides import MeanField
from zoo.latents import Kind, describe
from zoo.sites.supports import unmixed


def mixture(component):
    return dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), component)


@pytest.mark.parametrize(
    ("prior", "kind", "support"),
    [
        (mixture(dist.Normal(torch.tensor([-2.0, 2.0]), 1.0)), Kind.CONTINUOUS, constraints.real),
        (mixture(dist.Gamma(torch.ones(2), 1.0)), Kind.CONTINUOUS, constraints.nonnegative),
        (mixture(dist.Bernoulli(torch.tensor([0.1, 0.7]))), Kind.DISCRETE, constraints.boolean),
    ],
)
def test_a_mixture_has_the_support_of_its_components(prior, kind, support):
    latents = describe(lambda: pyro.sample("z", prior))
    assert latents["z"].kind is kind
    assert latents["z"].base_support == support


def test_a_mixture_of_vectors():
    component = dist.Normal(torch.zeros(2, 3), 1.0).to_event(1)
    latent = describe(lambda: pyro.sample("z", mixture(component)))["z"]
    assert (latent.kind, tuple(latent.unconstrained_shape)) == (Kind.CONTINUOUS, (3,))
    assert latent.base_support is constraints.real
    assert biject_to(latent.support).inv(torch.randn(3)).shape == (3,)


def test_independent_mixtures_are_unwrapped_inside():
    whole = dist.Independent(mixture(dist.Normal(torch.zeros(4, 2), 1.0)), 1)
    assert unmixed(whole.support).base_constraint is constraints.real


@pytest.mark.thorough
def test_a_mixture_prior_is_fitted_and_scored():
    def model(y):
        z = pyro.sample("z", mixture(dist.Normal(torch.tensor([-2.0, 2.0]), 0.5)))
        pyro.sample("y", dist.Normal(z, 0.5), obs=y)

    fit = zoo.fit(model, MeanField, torch.tensor(2.0), steps=300, lr=0.05)
    found = zoo.evaluate(fit, metrics=["log_evidence", "ais"])
    near, far = dist.Normal(2.0, 0.5**0.5), dist.Normal(-2.0, 0.5**0.5)
    both = torch.stack([near.log_prob(torch.tensor(2.0)), far.log_prob(torch.tensor(2.0))])
    truth = (both.logsumexp(0) - torch.tensor(2.0).log()).item()
    for name in ("log_evidence", "ais"):
        assert abs(found[name].value - truth) < 5 * found[name].se
