"""Two-sample metrics on normals, where every distance is known."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch.distributions import Normal, kl_divergence

from zoo.metrics.shares import share_error
from zoo.metrics.two_sample import (
    Projected,
    bootstrap,
    classifier,
    coverage,
    evenly,
    gaussian_kernel,
    kl,
    mmd,
    sliced_wasserstein,
    two_sample,
)

IDENTITY = 1e-8
REPEATS = 40
N = 400


def within(metric, truth):
    return abs(metric.value - truth) < 5 * metric.se


def phi(value):
    return Normal(0.0, 1.0).cdf(torch.tensor(value)).item()


def test_a_shift_in_one_dimension_is_its_wasserstein_distance():
    x = torch.randn(1000, 1)
    y = torch.randn(1000, 1)
    for order in (1, 2):
        assert within(sliced_wasserstein(x + 0.7, y, order=order), 0.7)


def test_a_scale_in_one_dimension():
    x, y = torch.randn(1000, 1), torch.randn(1000, 1)
    assert within(sliced_wasserstein(1.8 * x, y, order=2), 0.8)
    assert within(sliced_wasserstein(1.8 * x, y, order=1), 0.8 * math.sqrt(2 / math.pi))


def test_a_shift_in_the_plane_is_sliced():
    x, shift = torch.randn(500, 2), torch.tensor([3.0, 4.0])
    two = sliced_wasserstein(x + shift, x, order=2, projections=4000, resamples=2)
    spread = math.sqrt(1 / 8) * 25 / (2 * two.value) / math.sqrt(4000)  # of the directions alone
    assert abs(two.value - 5 / math.sqrt(2)) < 5 * spread


def test_unequal_numbers_of_draws():
    x, y = torch.randn(1000, 1), torch.randn(1700, 1)
    assert within(sliced_wasserstein(x + 1.0, y), 1.0)


def test_resamples_are_those_that_sorting_finds():
    projections = torch.randint(20, (50, 7)).double()  # with ties
    sample = Projected(projections)
    torch.manual_seed(3)
    found = sample.resampled()
    torch.manual_seed(3)
    again = projections[torch.randint(50, (50,))]
    assert torch.equal(found, again.sort(dim=0).values.mT)


def mmd_of_shift(shift, width):
    """E k(x, x') for normals under a Gaussian kernel: a convolution."""
    scale = width / (width + 2)
    return 2 * math.sqrt(scale) * (1 - math.exp(-0.5 * shift**2 / (width + 2)))


def test_mmd_has_its_closed_form():
    x, y = torch.randn(1000, 1) + 0.8, torch.randn(1000, 1)
    square = torch.cdist(torch.cat([x, y]), torch.cat([x, y])) ** 2
    width = square[torch.triu(torch.ones_like(square, dtype=torch.bool), 1)].median().item()
    value, p = mmd(x, y, permutations=200)
    assert within(value, mmd_of_shift(0.8, width))
    assert p.value == pytest.approx(1 / 201, rel=IDENTITY)


def test_mmd_is_the_textbook_sum():
    x, y = torch.randn(6, 2), torch.randn(6, 2)
    k = gaussian_kernel(torch.cat([x, y]))
    pairs = [(i, j) for i in range(6) for j in range(6)]
    inside = sum(k[i, j] + k[6 + i, 6 + j] for i, j in pairs if i != j) / 30
    across = sum(k[i, 6 + j] for i, j in pairs) / 36
    assert mmd(x, y, permutations=5)[0].value == pytest.approx((inside - 2 * across).item())


def test_permutation_p_values_are_uniform_under_the_null():
    values = [
        mmd(torch.randn(60, 2), torch.randn(60, 2), permutations=99)[1].value for _ in range(200)
    ]
    share = sum(value <= 0.2 for value in values) / 200
    assert abs(share - 0.2) < 5 * math.sqrt(0.2 * 0.8 / 200)


def test_a_linear_classifier_tells_a_shift_as_well_as_can_be():
    x, y = torch.randn(2000, 2), torch.randn(2000, 2)
    best = phi(0.5)
    assert within(classifier(x + torch.tensor([1.0, 0.0]), y, LogisticRegression()), best)
    assert within(classifier(x, y, LogisticRegression()), 0.5)


def test_neighbours_tell_a_spread_that_no_line_tells():
    x, y = 3 * torch.randn(1000, 2), torch.randn(1000, 2)
    linear = classifier(x, y, LogisticRegression())
    near = classifier(x, y, KNeighborsClassifier(15))
    assert linear.value < 0.55
    assert near.value > 0.7


def test_kl_of_normals():
    q, p = Normal(0.3, 0.8), Normal(0.0, 1.0)
    z = q.sample((4000,))
    assert within(kl(q.log_prob(z), p.log_prob(z)), kl_divergence(q, p).item())


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_coverage_of_a_guide_of_another_width(level, scale):
    edge = scale * Normal(0.0, 1.0).icdf(torch.tensor(0.5 + level / 2)).item()
    found = coverage(scale * torch.randn(2000, 3), torch.randn(2000, 3), level=level)
    assert within(found, 2 * phi(edge) - 1)


def test_the_bootstrap_finds_the_error_of_a_difference_of_means():
    x, y = torch.randn(400, 1), 2 * torch.randn(900, 1)
    se = bootstrap(lambda a, b: a.mean() - b.mean(), x, y, 400)
    truth = math.sqrt(x.var() / 400 + y.var() / 900)
    assert abs(se / truth - 1) < 5 / math.sqrt(2 * 399)


METRICS = {
    "wasserstein": lambda x, y: sliced_wasserstein(x, y, projections=20, resamples=40),
    "mmd": lambda x, y: mmd(x[:150], y[:150], permutations=1)[0],
    "coverage": lambda x, y: coverage(x, y, resamples=40),
}


@pytest.mark.parametrize("name", METRICS)
def test_standard_errors_are_honest(name):
    pairs = [(0.8 + 0.7 * torch.randn(N, 1), torch.randn(N, 1)) for _ in range(REPEATS)]
    found = [METRICS[name](x, y) for x, y in pairs]
    values = torch.tensor([metric.value for metric in found])
    claimed = torch.tensor([metric.se for metric in found]).square().mean().sqrt()
    assert abs(values.std() / claimed - 1) < 5 / math.sqrt(2 * (REPEATS - 1))


def test_draws_of_the_reference_cannot_be_told():
    draws = {"a": 3 + torch.randn(800, 2), "b": 5 * torch.randn(800)}
    reference = {
        "a": 3 + torch.randn(800, 2),
        "b": 5 * torch.randn(800),
        "unused": torch.ones(800),
    }
    found = two_sample(draws, reference)
    assert found["mmd_p"].value > 0.01
    for name in ("mmd", "posterior_mean_error", "posterior_sd_error"):
        assert found[name].value < 5 * math.sqrt(2) * found[name].se
    for name in ("classifier_logistic", "classifier_knn"):
        assert within(found[name], 0.5)
    assert within(found["coverage_50"], 0.5)
    assert within(found["coverage_90"], 0.9)


def test_a_reference_of_several_chains_is_taken_from_all_of_them():
    """Chains in two modes, one after the other, against draws of both."""
    modes = torch.tensor([-3.0, 3.0])
    x = torch.randn(400, 1) + modes[torch.randint(2, (400, 1))]
    y = torch.randn(1600, 1) + modes.repeat_interleave(800)[:, None]
    assert mmd(x, y)[1].value > 0.01
    assert within(classifier(x, y, LogisticRegression()), 0.5)
    assert torch.equal(evenly(torch.arange(8), 4), torch.tensor([0, 2, 4, 6]))
    assert torch.equal(evenly(torch.arange(5), 5), torch.arange(5))


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_none_or_all_has_an_error(share):
    assert share_error(share, 99) == pytest.approx((0.005 * 0.995 / 100) ** 0.5, rel=IDENTITY)
    x = 100.0 * (1 - share) + torch.linspace(-9, 9, 60)[:, None]
    found = coverage(x, torch.rand(60, 1), level=0.9)
    assert found.value == share
    assert found.se == share_error(share, 60)


def test_the_error_of_a_share_is_binomial():
    assert share_error(0.3, 10**6) == pytest.approx((0.3 * 0.7) ** 0.5 / 1000, rel=1e-4)


def test_a_classifier_that_is_always_right_has_an_error():
    x = torch.randn(50, 2)
    found = classifier(x + 100, x, LogisticRegression())
    assert found.value == 1
    assert found.se == share_error(1.0, 100) > 0


def test_other_draws_are_told_and_the_seed_fixes_the_metrics():
    draws = {"a": 0.5 * torch.randn(500, 2) + 0.5}
    reference = {"a": torch.randn(500, 2)}
    found, again = (two_sample(draws, reference, seed=3) for _ in range(2))
    assert found == again
    assert found["mmd_p"].value < 0.01
    assert found["classifier_knn"].value > 0.5 + 5 * found["classifier_knn"].se
    assert found["coverage_90"].value < 0.9 - 5 * found["coverage_90"].se
    assert all(metric.se >= 0 and metric.unit for metric in found.values())


def test_numbers_that_never_vary_have_no_distance():
    """As the 1 in every Cholesky factor of a correlation, up to rounding."""
    x, y = torch.randn(400, 1), torch.randn(400, 1)
    ones = 1 + 1e-8 * torch.randn(400, 1)
    alone = two_sample({"z": x}, {"z": y})
    both = two_sample({"z": torch.cat([x, ones], 1)}, {"z": torch.cat([y, 1 + 0 * y], 1)})
    assert {n: m.value for n, m in both.items()} == {n: m.value for n, m in alone.items()}


@pytest.mark.parametrize(
    ("draws", "reference", "message"),
    [
        ({"a": torch.ones(30)}, {"b": torch.ones(30)}, "a site in common"),
        ({"a": torch.ones(30, 2)}, {"a": torch.ones(30, 3)}, r"shapes \(2,\) and \(3,\)"),
        ({"a": torch.ones(10)}, {"a": torch.ones(30)}, "at least 20 draws; got 10"),
    ],
)
def test_draws_that_do_not_compare(draws, reference, message):
    with pytest.raises(ValueError, match=message):
        two_sample(draws, reference)
