"""Hard posteriors are named by their kind and their latents; easy ones get no word."""

import json
from dataclasses import asdict

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions import constraints

import guides
import zoo
from zoo.isolation import isolated
from zoo.normals.dadvi import dadvi
from zoo.normals.difficulties import difficulties
from zoo.normals.log_density import LogDensity
from zoo.normals.pathfinder import pathfinder, starting_points
from zoo.objectives import Trace

SEEDS = (0, 1, 2)
SCHOOLS = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def said(model, *args, guide=guides.MeanField, seed=0, correlated=None):
    """The difficulties with the best normal of six paths, or with the fit that starts there."""
    with isolated(seed=0):
        program = zoo.program.build(model, guide, Trace(), args)
        program.eval()
        density = LogDensity(program, args)
        starts = starting_points(6, density.size, seed)
        found = [pathfinder(density, start, seed=seed) for start in starts]
        paths = [path for path in found if path is not None]
        best = max(paths, key=lambda path: path.elbo, default=None)
        normal = best.normal if best else None
        if correlated is not None:
            *_, last = dadvi(density, normal, correlated=correlated, seed=seed)
            normal = last.normal
        before = density.evaluations
        seen = difficulties(density, normal, paths, seed)
        assert density.evaluations - before < 5000
    json.dumps([asdict(one) for one in seen])
    return {one.kind: one.sentence for one in seen}


def rows(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def two_peaks(distance):
    peaks = dist.Normal(torch.tensor([-distance / 2, distance / 2]), 1.0)
    half = dist.Categorical(torch.tensor([0.4, 0.6]))
    pyro.sample("z", dist.MixtureSameFamily(half, peaks))
    pyro.sample("other", dist.Normal(0.0, 1.0))


def clusters(y):
    with pyro.plate("k", 2):
        mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
    a, b = mean[..., :1], mean[..., 1:]
    with pyro.plate("data", len(y)):
        two = torch.stack([dist.Normal(a, 1.0).log_prob(y), dist.Normal(b, 1.0).log_prob(y)])
        pyro.factor("y", two.logsumexp(0))


def loadings(x):
    w = pyro.sample("w", dist.Normal(0.0, 3.0).expand([3]).to_event(1))
    covariance = w[..., :, None] * w[..., None, :] + 0.25 * torch.eye(3)
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.MultivariateNormal(torch.zeros(3), covariance), obs=x)


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_modes_are_counted_and_their_kind_is_named(seed):
    one = said(two_peaks, torch.tensor(6.0), seed=seed)
    assert set(one) == {"multimodal"}
    assert "2 modes, of weights 60%, 40%, which differ in 'z';" in one["multimodal"]
    assert "the same but for" not in one["multimodal"]
    switched = said(clusters, torch.cat([rows(seed, 30) - 3, rows(seed + 9, 30) + 3]), seed=seed)
    assert "weights 50%, 50%, which differ in 'mean'" in switched["multimodal"]
    assert "label switching" in switched["multimodal"]
    x = rows(seed, 50, 1) * torch.tensor([1.0, 2.0, 1.5]) + 0.5 * rows(seed + 9, 50, 3)
    assert "the same but for signs" in said(loadings, x, seed=seed)["multimodal"]
    assert said(two_peaks, torch.tensor(1.0), seed=seed) == {}


def centred(y, errors):
    mean, scale = (
        pyro.sample("mu", dist.Normal(0.0, 5.0)),
        pyro.sample("tau", dist.HalfCauchy(5.0)),
    )
    with pyro.plate("schools", len(y)):
        theta = pyro.sample("theta", dist.Normal(mean, scale))
        pyro.sample("y", dist.Normal(theta, errors), obs=y)


def non_centred(y, errors):
    mean, scale = (
        pyro.sample("mu", dist.Normal(0.0, 5.0)),
        pyro.sample("tau", dist.HalfCauchy(5.0)),
    )
    with pyro.plate("schools", len(y)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mean + scale * z, errors), obs=y)


def neal():
    v = pyro.sample("v", dist.Normal(0.0, 3.0))
    with pyro.plate("nine", 9):
        pyro.sample("x", dist.Normal(0.0, (v / 2).exp()))


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_funnels_name_the_scale_and_what_it_scales(seed):
    for correlated in (None, False):
        one = said(neal, seed=seed, correlated=correlated)
        assert "the width of 'x' changes by a factor of" in one["funnel"]
        assert "as 'v' moves" in one["funnel"]
    schools = said(centred, SCHOOLS, ERRORS, seed=seed)
    assert set(schools) == {"funnel", "no mode"}
    assert "the width of 'theta'" in schools["funnel"]
    assert "as 'tau' moves" in schools["funnel"]
    assert "LocScaleReparam(0)" in schools["funnel"]
    assert "'tau' moved by" in schools["no mode"]
    assert "funnel" not in said(non_centred, SCHOOLS, ERRORS, seed=seed)


def tailed(degrees):
    pyro.sample("a", dist.Normal(0.0, 1.0))
    with pyro.plate("three", 3):
        pyro.sample("t", dist.StudentT(degrees))


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_heavy_tails_name_their_latent(seed):
    assert "The tails of 't' are" in said(tailed, torch.tensor(1.0), seed=seed)["heavy tails"]
    assert set(said(tailed, torch.tensor(1.5), seed=seed, correlated=True)) == {"heavy tails"}
    assert said(tailed, torch.tensor(12.0), seed=seed) == {}


def sum_of_two(y, wide):
    improper = dist.ImproperUniform(constraints.real, (), ())
    a = pyro.sample("a", improper)
    b = pyro.sample("b", improper if wide.isinf() else dist.Normal(0.0, wide))
    scale = pyro.sample("scale", dist.HalfNormal(2.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(a + b, scale), obs=y)


def slope_alone(x, y, wide):
    prior = (
        dist.ImproperUniform(constraints.real, (), ()) if wide.isinf() else dist.Normal(0, wide)
    )
    slope = pyro.sample("slope", prior)
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Bernoulli(logits=slope * x), obs=y)


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_flat_directions_name_their_latents(seed):
    y = rows(seed, 30)
    endless, proper = torch.tensor(torch.inf), torch.tensor(10.0)
    assert "a combination of 'a' and 'b'" in said(sum_of_two, y, endless, seed=seed)["flat"]
    assert said(sum_of_two, y, proper, seed=seed) == {}
    one_side = said(slope_alone, y, (y > 0).to(y), endless, seed=seed)
    assert "along one direction, 'slope'" in one_side["flat"]
    assert said(slope_alone, y, (y + rows(seed + 9, 30) > 0).to(y), proper, seed=seed) == {}


def below_the_top(y):
    top = pyro.sample("top", dist.LogNormal(1.0, 1.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Uniform(torch.zeros_like(top), top), obs=y)


def between(o):
    a = pyro.sample("a", dist.HalfNormal(1.0))
    b = pyro.sample("b", dist.Uniform(torch.zeros_like(a), a))
    pyro.sample("o", dist.Normal(b, 0.1), obs=o)


def own_guide(o):
    scale = pyro.param("scale", torch.tensor(1.0), constraint=constraints.positive)
    a = pyro.sample("a", dist.LogNormal(0.0, scale))
    pyro.sample("b", dist.Uniform(torch.zeros_like(a), a))


def test_supports_that_move_are_named():
    observed = said(below_the_top, 0.5 * rows(0, 5).sigmoid())["dependent support"]
    assert "The support of 'y' depends on latents" in observed
    with pytest.raises(ValueError, match="'b' depends on other latents"):
        said(between, torch.tensor(0.5))
    latent = said(between, torch.tensor(0.5), guide=own_guide)
    assert "The support of 'b' depends on other latents" in latent["dependent support"]


def regression(x, y):
    b = pyro.sample("b", dist.Normal(0.0, 10.0).expand([x.shape[1]]).to_event(1))
    scale = pyro.sample("scale", dist.HalfNormal(5.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal((x * b).sum(-1), scale), obs=y)


def counts(x, y):
    b = pyro.sample("b", dist.Normal(0.0, 2.0).expand([x.shape[1]]).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Poisson((x * b).sum(-1).exp()), obs=y)


def share(y):
    p = pyro.sample("p", dist.Beta(1.0, 1.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Bernoulli(p), obs=y)


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("correlated", [None, False, True])
def test_posteriors_that_data_determine_get_no_word(seed, correlated):
    x = rows(seed, 60, 4)
    x[:, 1] += x[:, 0]
    y = x.sum(1) + rows(seed + 9, 60)
    assert said(regression, x, y, seed=seed, correlated=correlated) == {}
    number = torch.poisson((0.3 * x).sum(1).exp(), generator=torch.Generator().manual_seed(seed))
    assert said(counts, x, number, seed=seed, correlated=correlated) == {}
    assert said(share, (y > 0).to(y), seed=seed, correlated=correlated) == {}


@pytest.mark.thorough
def test_modes_without_number_are_seen_though_the_best_outweighs_each_of_the_others():
    """Of 2^16 corners each path ends in another one; a bent way between two leads over others."""
    fit = zoo.fit(zoo.load("many_well"), guides.MeanField)
    (found,) = fit.difficulties
    assert found.kind == "multimodal"
    assert "more modes than the 4 paths" in found.sentence
    assert zoo.evaluate(fit, metrics=["weights", "psis"]).answers.draws.answer != "yes"
