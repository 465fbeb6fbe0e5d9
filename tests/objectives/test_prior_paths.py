"""Draws as functions of their prior's parameters: those that the prior's own draws are."""

import pyro.distributions as dist
import pytest
import torch
import torch.distributions as families
from cases import IDENTITY, relative_error

from zoo.objectives.prior_paths import PATHS, as_drawn_by_prior

NUMBERS = torch.tensor([0.4, 1.3, 0.8])
PRIORS = {
    families.Normal: lambda a: dist.Normal(a, a.exp()),
    families.Laplace: lambda a: dist.Laplace(a, a.exp()),
    families.Cauchy: lambda a: dist.Cauchy(a, a.exp()),
    families.LogNormal: lambda a: dist.LogNormal(a, a.exp()),
    families.HalfNormal: lambda a: dist.HalfNormal(a.exp()),
    families.HalfCauchy: lambda a: dist.HalfCauchy(a.exp()),
    families.Exponential: lambda a: dist.Exponential(a.exp()),
    families.MultivariateNormal: lambda a: dist.MultivariateNormal(
        a, scale_tril=torch.eye(3) + a.expand(3, 3).tril() ** 2
    ),
}


def test_every_prior_with_a_path_has_a_case():
    assert set(PRIORS) == set(PATHS)


@pytest.mark.parametrize("family", PRIORS, ids=lambda family: family.__name__)
@pytest.mark.parametrize("wrap", [lambda fn: fn, lambda fn: fn.mask(True)], ids=["", "masked"])  # noqa: FBT003
def test_a_path_is_that_of_the_priors_own_draws(family, wrap):
    a = NUMBERS.clone().requires_grad_()
    prior = wrap(PRIORS[family](a))
    value = prior.rsample()
    fn = prior.to_event(value.dim() - len(prior.event_shape))
    again = as_drawn_by_prior({"fn": fn, "value": value, "mask": None})
    weight = torch.tensor([1.0, -0.5, 2.0])
    assert relative_error(again.detach(), value.detach()) < IDENTITY
    (own,) = torch.autograd.grad((weight * value).sum(), a, retain_graph=True)
    (found,) = torch.autograd.grad((weight * again).sum(), a)
    assert relative_error(found, own) < IDENTITY


def test_what_a_mask_leaves_out_has_no_path():
    a, mask = NUMBERS.clone().requires_grad_(), torch.tensor([True, False, True])
    value = torch.randn(3)
    inside = {"fn": dist.Normal(a, 1.0).mask(mask).to_event(1), "value": value, "mask": None}
    outside = {"fn": dist.Normal(a, 1.0), "value": value, "mask": mask}
    for site in (inside, outside):
        (found,) = torch.autograd.grad(as_drawn_by_prior(site).sum(), a)
        assert torch.equal(found, mask.to(found))
