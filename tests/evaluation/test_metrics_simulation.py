"""Simulation-based checks: uniform for the exact posterior, the right shape for others."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import best_diagonal_guide, exact_guide, fitted_ppca_task
from torch import nn

import zoo
from guides import MeanField, PerDatum
from zoo.evaluation.groups import calibration
from zoo.evaluation.sbc import (
    rank_calibration,
    refit_calibration,
    signed_rank_p,
    simulate_arguments,
)
from zoo.metrics.uniformity import uniformity, within

IDENTITY = 1e-8
MOST = 99


def fitted(guide=None, shift=0.0, scale=0.0):
    """Probabilistic PCA under its exact guide, moved and scaled."""
    task = fitted_ppca_task(rows=300)
    guide = exact_guide(task) if guide is None else guide(task)
    with torch.no_grad():
        bias = guide.encoder.heads[0].bias
        bias[:2] += shift
        bias[2:4] += scale
    return zoo.fit(task, guide, steps=1, lr=1e-30)


def calibrated(fit, **options):
    return rank_calibration(fit.program, fit.task.split("train"), draws=MOST, **options)


def test_the_exact_posterior_has_uniform_ranks():
    found = calibrated(fitted(), repeats=2)
    assert set(found) == {"z[0]", "z[1]"}
    for ranks in found.values():
        assert len(ranks.ranks) == 600
        assert ranks.chi_square_p > 0.01
        assert ranks.ecdf_p > 0.01
        assert ranks.verdict == "no sign of miscalibration"
        low, high = ranks.band
        assert ((ranks.ecdf >= low) & (ranks.ecdf <= high)).all()


def test_a_guide_that_is_too_narrow_has_a_u_shape():
    for ranks in calibrated(fitted(scale=-1.2)).values():
        assert ranks.chi_square_p < 1e-4
        assert ranks.bins[[0, -1]].min() > 1.5 * ranks.bins[1:-1].mean()
        assert ranks.spread.value > 1 + 5 * ranks.spread.se
        assert abs(ranks.offset.value) < 5 * ranks.offset.se
        assert ranks.verdict == "too narrow (U shape)"


def test_a_guide_that_is_too_wide_has_a_hump():
    for ranks in calibrated(fitted(scale=1.0)).values():
        assert ranks.chi_square_p < 1e-4
        assert ranks.spread.value < 1 - 5 * ranks.spread.se
        assert ranks.verdict == "too wide (hump)"


@pytest.mark.parametrize(("shift", "said"), [(-0.3, "too low"), (0.3, "too high")])
def test_a_biased_guide_is_lopsided(shift, said):
    for ranks in calibrated(fitted(shift=shift)).values():
        assert ranks.ecdf_p < 0.01
        assert ranks.chi_square_p < 1e-4
        assert abs(ranks.offset.value) > 5 * ranks.offset.se
        assert said in ranks.verdict


def test_the_best_diagonal_guide_is_too_narrow():
    found = calibrated(fitted(best_diagonal_guide), repeats=4)
    assert all(ranks.spread.value > 1 + 3 * ranks.spread.se for ranks in found.values())


@pytest.mark.thorough
def test_p_values_of_uniform_ranks_are_uniform():
    tests = [uniformity(torch.randint(20, (100,)), 19) for _ in range(150)]
    for name in ("chi_square_p", "ecdf_p"):
        share = sum(getattr(test, name) < 0.1 for test in tests) / 150
        assert abs(share - 0.1) < 5 * math.sqrt(0.1 * 0.9 / 150)
    inside = sum(bool(((t.ecdf >= t.band[0]) & (t.ecdf <= t.band[1])).all()) for t in tests) / 150
    assert abs(inside - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 150)


@pytest.mark.parametrize(("count", "most"), [(6, 2), (3, 4), (5, 3)])
def test_the_chance_to_stay_in_a_band_is_that_of_enumeration(count, most):
    ranks = torch.cartesian_prod(*[torch.arange(most + 1)] * count)
    at = torch.arange(1, most + 1) / (most + 1)
    ecdf = (ranks[:, None] < torch.arange(1, most + 1)[:, None]).double().mean(-1)
    far = ((ecdf - at).abs() / (at * (1 - at) / count).sqrt()).amax(1)
    for sds in (*far.unique(), torch.tensor(0.7)):
        truth = (far < sds - IDENTITY).double().mean()
        assert abs(within(sds[None], count, most) - truth) < IDENTITY


def test_a_small_p_value_of_the_ecdf_is_as_small_as_it_is():
    """That all N ranks are 0: (L + 1)^-N, twice where all at L are as far."""
    assert uniformity(torch.zeros(10), 1).ecdf_p == pytest.approx(2 * 2.0**-10, rel=IDENTITY)
    ranks = torch.cat([torch.randint(100, (250,)), torch.randint(20, (50,))])
    assert uniformity(ranks, 99).ecdf_p < 0.01 / (2 * 30)  # of the 30 dimensions of a latent


def test_the_p_value_of_both_tests_is_twice_the_smaller():
    found = uniformity(torch.randint(20, (100,)), 19)
    smaller = min(found.chi_square_p, found.ecdf_p)
    assert found.p == pytest.approx(min(1.0, 2 * smaller), rel=IDENTITY)


def test_bins_that_do_not_divide_the_ranks_are_fair():
    ranks = torch.arange(7).repeat(100)  # exactly uniform on 0..6
    found = uniformity(ranks, 6, bins=3)
    assert found.chi_square_p == pytest.approx(1)
    assert found.spread.value == pytest.approx(1, rel=1e-8)
    assert found.offset.value == pytest.approx(0, abs=1e-8)


def test_tails_have_their_closed_forms():
    ranks = torch.arange(3).repeat_interleave(torch.tensor([60, 30, 30]))  # chi-square 15, 2 free
    found = uniformity(ranks, 2, bins=3)
    assert found.chi_square_p == pytest.approx(math.exp(-15 / 2), rel=1e-8)
    values = torch.tensor([1.0, 2.0, 3.0])
    assert signed_rank_p(values) == pytest.approx(math.erfc(6 / math.sqrt(14) / math.sqrt(2)))
    assert signed_rank_p(torch.tensor([-1.0, 1.0])) == 1.0


def test_simulated_data_follow_the_model():
    fit = fitted()
    (x,) = fit.task.split("train")
    found = [simulate_arguments(fit.program, (x,)) for _ in range(20)]
    z = torch.cat([latents["z"] for latents, _ in found])
    simulated = torch.cat([args[0] for _, args in found])
    weight, noise = fit.model.weight.detach(), fit.model.log_scale.detach().exp()
    residual = (simulated - z @ weight.mT - fit.model.mu.detach()) / noise
    count = residual.numel()
    assert abs(residual.mean()) < 5 / math.sqrt(count)
    assert abs(residual.var() - 1) < 5 * math.sqrt(2 / count)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / z.numel())
    assert not torch.equal(simulated[:300], x)


# Refitting: a conjugate normal mean


def location(x):
    loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


class Posterior(nn.Module):
    """The exact posterior of `loc`, moved and scaled."""

    def __init__(self, shift=0.0, scale=1.0):
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.tensor(shift)), scale

    def forward(self, x):
        precision = len(x) + 0.25
        sd = precision**-0.5
        pyro.sample("loc", dist.Normal(x.sum() / precision + self.shift * sd, self.scale * sd))


def refitted(**wrong):
    x = torch.randn(8)
    program = zoo.fit(location, Posterior(**wrong), x, steps=1, lr=1e-30).program
    return refit_calibration(program, (x,), lambda args: program, simulations=150)["loc"]


def test_the_exact_posterior_passes_vsbc():
    found = refitted()
    assert found.symmetry_p > 0.01
    assert found.uniformity.chi_square_p > 0.01
    assert found.verdict == "no sign of bias"


@pytest.mark.parametrize(("shift", "said"), [(-1.0, "too low"), (1.0, "too high")])
def test_a_biased_guide_fails_vsbc(shift, said):
    found = refitted(shift=shift)
    assert found.symmetry_p < 1e-4
    assert found.verdict == said


def test_a_narrow_guide_passes_vsbc_and_fails_sbc():
    found = refitted(scale=0.4)
    assert found.symmetry_p > 0.01
    assert found.uniformity.chi_square_p < 1e-4
    assert found.uniformity.spread.value > 1 + 5 * found.uniformity.spread.se


def test_refitting_by_fit():
    x = torch.randn(6)
    program = zoo.fit(location, MeanField, x, steps=1).program

    def refit(args):
        return zoo.fit(location, MeanField, *args, steps=3, lr=0.1).program

    found = refit_calibration(program, (x,), refit, simulations=10, draws=19)
    assert found["loc"].p.shape == (10,)
    assert set(found) == {"loc"}


def test_rows_may_be_others_than_those_trained_on():
    fit = fitted()
    found = rank_calibration(fit.program, fit.task.split("test"), draws=MOST, repeats=5)
    assert all(len(ranks.ranks) == 150 for ranks in found.values())
    assert all(ranks.ecdf_p > 0.01 for ranks in found.values())


def test_only_amortised_guides_are_ranked_without_refitting():
    fit = zoo.fit(fitted_ppca_task(), PerDatum, steps=1)
    with pytest.raises(ValueError, match="got PerDatum on .* Use zoo.evaluation.sbc"):
        calibrated(fit)


def test_data_that_are_not_an_argument_need_a_place():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x.log())

    x = torch.rand(12) + 0.1
    program = zoo.fit(model, Half(), x, steps=1, lr=1e-30).program
    with pytest.raises(ValueError, match=r"Site 'x' observes none .* put\(args, observed\)"):
        rank_calibration(program, (x,))
    found = rank_calibration(
        program, (x,), repeats=20, put=lambda args, observed: (observed["x"].exp(),)
    )
    assert found["z"].chi_square_p > 0.01


class Half(nn.Module):
    """The exact posterior of that model."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(self.gain * x.log(), 0.5**0.5))


def test_the_note_names_the_dimension_behind_the_p_value(monkeypatch):
    """One that only the test of the ECDF finds, beside one whose bins look worse."""
    even = uniformity(torch.arange(100).repeat(3), 99)
    low = uniformity(torch.arange(100).repeat(3) // 2, 99)
    found = {"z[0]": replace(even, chi_square_p=0.02), "z[1]": replace(low, chi_square_p=0.03)}
    monkeypatch.setattr(calibration, "rank_calibration", lambda *args, **options: found)
    scored = SimpleNamespace(program=None, args=(), rows=300, seed=0)
    metric = calibration.ranks(scored)["sbc_p"]
    assert metric.value == 2 * 2 * low.ecdf_p < 0.01
    assert "z[1]: " in metric.note


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="at least 10 ranks in 0..9; got 3"):
        uniformity(torch.tensor([1, 2, 3]), 9)
    program = zoo.fit(location, MeanField, torch.randn(6), steps=1).program
    with pytest.raises(ValueError, match="at least 10 simulations; got 2"):
        refit_calibration(program, (torch.randn(6),), lambda args: program, simulations=2)
