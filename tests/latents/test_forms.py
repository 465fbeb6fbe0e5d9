"""What the values of a latent look like, by its support."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import constraints

import zoo
from zoo.distributions import Density
from zoo.latents.forms import Form, form_of
from zoo.manifolds.hyperboloid import hyperboloid
from zoo.objectives import OBJECTIVES
from zoo.permutations import UniformPermutation


def of_support(support):
    return Density(lambda z: z.sum(-1), lambda shape: torch.ones(*shape, 3), 3, support=support)


FORMS = {
    Form.BINARY: dist.Bernoulli(0.5),
    Form.ONE_HOT: dist.OneHotCategorical(torch.ones(3)),
    Form.INTEGER: dist.Categorical(torch.ones(3)),
    Form.COUNT: dist.Poisson(1.0),
    Form.CONTINUOUS: dist.LogNormal(0.0, 1.0),
    Form.SPHERE: dist.ProjectedNormal(torch.tensor([0.0, 0.0, 1.0])),
    Form.HYPERBOLOID: of_support(hyperboloid),
    Form.UNBIJECTABLE: of_support(constraints.symmetric),
    Form.PERMUTATION: UniformPermutation(3, torch.ones(())),
}


def model_of(form):
    def model(x):
        z = pyro.sample("z", FORMS[form])
        pyro.sample("x", dist.Normal(z.sum(), 1.0), obs=x)

    return model


@pytest.mark.parametrize("form", Form)
def test_the_form_follows_from_the_support(form):
    (site,) = zoo.describe(model_of(form), torch.zeros(())).sites
    assert form_of(site) is form


def test_a_direction_is_not_split_as_if_it_were_continuous():
    latents = zoo.describe(model_of(Form.SPHERE), torch.zeros(()))
    sentence = zoo.mismatch(latents, lambda x: None, OBJECTIVES["measure_valued"])
    assert "'z' is spherical: its values are points on a sphere" in sentence
