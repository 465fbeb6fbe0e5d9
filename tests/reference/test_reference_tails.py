"""Tails of a reference: which draws have a mean and a standard deviation that can be trusted."""

import math

import pytest
import torch
from torch.distributions import Cauchy, StudentT

from zoo.metrics.pareto import fit_tail
from zoo.reference import UnreliableReferenceError
from zoo.reference.checks import LARGEST_K_HAT, check, summarise
from zoo.reference.store import HERE, load
from zoo.reference.tails import tail_length, tail_shapes

IDENTITY = 1e-8
ERRORS = 5
CHAINS, DRAWS = 4, 3000
STORED = sorted(HERE.glob("*.npz"))


def shapes(x, effective=None):
    """k of mean and of sd of the columns of x, (draws, columns)."""
    sizes = torch.full(x.shape[1:], effective or float(len(x)))
    found = tail_shapes({"x": x}, {"x": sizes})
    return found["k_mean"]["x"], found["k_sd"]["x"]


def refusal(**draws):
    with pytest.raises(UnreliableReferenceError) as caught:
        check(summarise(draws, CHAINS), 0)
    return str(caught.value)


def funnel():
    """Exact draws of Neal's funnel: v is N(0, 9), and x has sd exp(v / 2)."""
    v = 3 * torch.randn(CHAINS * DRAWS)
    return v, (v / 2).exp()[:, None] * torch.randn(CHAINS * DRAWS, 2)


def test_light_tails_pass():
    normal, exponential = torch.randn(CHAINS * DRAWS, 2), torch.rand(CHAINS * DRAWS).log()
    check(summarise({"normal": normal, "exponential": exponential}, CHAINS), 0)


def test_the_funnel_is_refused_by_the_sd_of_x_alone():
    v, x = funnel()
    found = summarise({"v": v, "x": x}, CHAINS)
    said = refusal(v=v, x=x)
    assert "below 0.7 behind the sd of every scalar; got " in said
    assert "for x[0]: the error of the draws is too small. Write the model non-centred" in said
    assert "or compare quantiles" in said
    assert (found["k_sd"]["x"] > LARGEST_K_HAT).all()
    check(summarise({"v": v, "eta": x / (v / 2).exp()[:, None]}, CHAINS), 0)


@pytest.mark.parametrize(("tail", "moment"), [(Cauchy(0.0, 1.0), "mean"), (StudentT(2.0), "sd")])
@pytest.mark.parametrize("sign", [1, -1])
def test_heavy_tails_on_either_side_are_refused(tail, moment, sign):
    x = sign * tail.sample((CHAINS * DRAWS,)).abs()
    assert f"behind the {moment} of every scalar; got " in refusal(x=x)


@pytest.mark.parametrize("freedom", [2.0, 4.0])
def test_the_shapes_are_the_tail_indices(freedom):
    """Student's t of n degrees has k = 1 / n, its square 2 / n; the prior draws k towards 1/2."""
    x = StudentT(freedom).sample((40_000, 10))
    count = tail_length(len(x), len(x))
    upper = tail_shapes({"x": x.abs()}, {"x": torch.full((10,), float(len(x)))})["k_mean"]["x"]
    for k, truth in ((upper, 1 / freedom), (shapes(x)[1], 2 / freedom)):
        unshrunk = (k * (count + 10) - 5) / count
        assert ((unshrunk - truth).abs() < ERRORS * (1 + truth) / count**0.5).all()


def test_the_fit_is_that_of_importance_weights():
    x = StudentT(3.0).sample((2000, 5))
    theirs = fit_tail((x - x.mean(0)).square().log()).k
    torch.testing.assert_close(shapes(x)[1], theirs, rtol=IDENTITY, atol=IDENTITY)


def test_the_length_of_the_tail():
    assert tail_length(100, 100) == 20
    assert tail_length(10_000, 10_000) == 300
    assert tail_length(10_000, 2500) == 600  # as 150 are of 2,500
    assert tail_length(10_000, 20_000) == 300
    assert tail_length(10_000, 4) == 2000


def test_what_has_no_tail():
    assert shapes(torch.ones(400, 1)) == (-1.0, -1.0)
    edges = (torch.rand(400, 1) > 0.5).double()  # as many draws on a bound
    assert shapes(edges)[0] == -1.0
    assert all(k.isnan() for k in shapes(torch.full((400, 1), math.nan)))
    assert all(k.isnan() for k in shapes(torch.randn(20, 1)))
    assert all(k.isnan() for k in shapes(torch.randn(400, 1), math.nan))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_references_have_light_tails(path):
    kept = load(path)
    for k in (kept.k_mean, kept.k_sd):
        assert set(k) == set(kept.mean)
        assert all(
            (k[site] < LARGEST_K_HAT).all() and k[site].shape == kept.sd[site].shape for site in k
        )
