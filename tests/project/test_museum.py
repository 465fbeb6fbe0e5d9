"""Planted failures: what catches each of them, what does not, and that healthy fits pass."""

import pytest
import torch

import zoo
from benchmarks.evaluation import failure_detection as museum
from benchmarks.evaluation import planted_failures as exhibits
from benchmarks.evaluation import traps
from zoo.evidence import AnnealedImportance

IDENTITY = 1e-8
ROWS, DRAWS, COMPARED = 60, 4000, 300
pytestmark = pytest.mark.filterwarnings(  # ArviZ divides by 0 where all weights are equal
    "ignore:invalid value encountered:RuntimeWarning"
)
PARTS = {
    "weights": lambda fit: museum.of_weights(fit, DRAWS, 1),
    "draws": lambda fit: museum.of_draws(fit, COMPARED, 1),
    "ranks": lambda fit: museum.of_ranks(fit, 1),
    "latents": lambda fit: museum.of_latents(fit, 1),
}
TABLE = {  # exhibit -> part -> what catches it, and what must be blind to it
    "narrow": {
        "weights": ("gap k_hat posterior_sd_error", "posterior_mean_error"),
        "draws": ("mmd_p classifier_knn", ""),
        "ranks": ("SBC", "VSBC"),
    },
    "one_mode": {
        "weights": ("gap log_evidence posterior_mean_error", "k_hat ess"),
        "draws": ("mmd_p classifier_knn", ""),
        "ranks": ("SBC", "VSBC"),
        "latents": ("", "kl mutual_information active"),
    },
    "collapse": {
        "weights": ("", "gap log_evidence k_hat ess posterior_mean_error posterior_sd_error"),
        "draws": ("", "mmd_p classifier_knn"),
        "ranks": ("", "SBC VSBC"),
        "latents": ("kl mutual_information active", ""),
    },
    "half_of_x": {
        "weights": ("gap posterior_mean_error posterior_sd_error", "k_hat"),
        "draws": ("mmd_p classifier_knn", ""),
        "ranks": ("", "SBC VSBC"),
        "latents": ("", "kl mutual_information active"),
    },
    "no_log_det": {
        "weights": ("iwae_100 log_evidence", "gap k_hat ess posterior_mean_error"),
        "draws": ("", "mmd_p classifier_knn"),
        "ranks": ("", "SBC VSBC"),
        "latents": ("kl_beyond", "mutual_information active"),
    },
    "heavy_tails": {"weights": ("", "iwae_100 posterior_mean_error")},
    "same_moments": {
        "weights": ("gap", "k_hat ess posterior_mean_error"),
        "ranks": ("", "VSBC"),
    },
}
NAMES = {
    "gap": "gap",
    "k_hat": "k_hat",
    "ess": "ess / draws",
    "log_evidence": "log_evidence - exact",
    "iwae_100": "iwae_100 - exact",
    "posterior_mean_error": "posterior_mean_error",
    "posterior_sd_error": "posterior_sd_error",
    "mmd_p": "two-sample mmd_p",
    "classifier_knn": "two-sample classifier_knn",
    "SBC": "SBC p",
    "VSBC": "VSBC symmetry p",
    "kl": "kl",
    "kl_beyond": "kl - mutual_information",
    "mutual_information": "mutual_information",
    "active": "active units / all",
}
CASES = [(name, part) for name, parts in TABLE.items() for part in parts]


@pytest.mark.parametrize("name", exhibits.EXHIBITS)
def test_every_exhibit_is_in_the_table(name):
    assert name in TABLE


@pytest.mark.thin(8)
@pytest.mark.parametrize(("name", "part"), CASES)
def test_the_table(name, part):
    _, sick = exhibits.pair(name, ROWS)
    found = PARTS[part](sick)
    hit, blind = ([NAMES[n] for n in names.split()] for names in TABLE[name][part])
    assert {n: museum.caught(n, found[n]) for n in (*hit, *blind)} == (
        dict.fromkeys(hit, True) | dict.fromkeys(blind, False)
    ), found


@pytest.mark.thin(5)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["narrow", "one_mode", "heavy_tails"])
def test_the_healthy_twin_passes(name, part):
    healthy, _ = exhibits.pair(name, ROWS)
    found = PARTS[part](healthy)
    assert [n for n, metric in found.items() if museum.caught(n, metric)] == []


@pytest.mark.parametrize("name", exhibits.EXHIBITS)
def test_the_twin_is_exact(name):
    """Bayes: log p(x, z) - log p(z | x) is the evidence, for any z."""
    healthy, _ = exhibits.pair(name, ROWS)
    (x,) = healthy.task.split("train")
    with torch.no_grad():
        log_w = torch.cat(
            list(zoo.sampling.importance_weights.weight_chunks(healthy.program, (x,), 20)), dim=1
        )
        truth = healthy.model.log_evidence(x).expand(20, -1)
    torch.testing.assert_close(log_w, truth, rtol=IDENTITY, atol=IDENTITY)


def test_no_log_det_is_off_by_the_log_det():
    _, sick = exhibits.pair("no_log_det", ROWS)
    (x,) = sick.task.split("train")
    with torch.no_grad():
        scale = sick.model.posterior(x)["z"].scale_tril[0]
        log_w = torch.cat(
            list(zoo.sampling.importance_weights.weight_chunks(sick.program, (x,), 20)), dim=1
        )
        off = log_w - sick.model.log_evidence(x)
    expected = -scale.diagonal().log().sum().expand_as(off)
    torch.testing.assert_close(off, expected, rtol=IDENTITY, atol=IDENTITY)


def test_annealing_disagrees_with_a_missing_mode():
    """The weights say nothing of it; chains from the prior find the other mode."""
    _, sick = exhibits.pair("one_mode", 20)
    chains = AnnealedImportance(chains=96, temperatures=30, leapfrogs=3)
    found = zoo.evaluate(sick, metrics=["log_evidence", chains, "exact_log_evidence"], draws=200)
    ais, sampled = found["ais"], found["log_evidence"]
    assert ais.value - sampled.value > 5 * (ais.se**2 + sampled.se**2) ** 0.5
    assert abs(ais.value - found["exact_log_evidence"].value) < 5 * ais.se


def test_the_best_normal_is_the_best():
    """The bound's derivative in the sd is 0: E_q[u d/du log t(s u)] = -1, by quadrature."""
    s = exhibits.BEST_SCALE
    u = torch.linspace(-12, 12, 200_001)
    density = (-u.square() / 2).exp() / (2 * torch.pi) ** 0.5
    slope = -4 * s**2 * u.square() / (3 + s**2 * u.square())
    assert abs(torch.trapezoid(density * slope, u).item() + 1) < IDENTITY


def test_what_a_density_knows_by_heart_it_does_not_know_of_other_rows():
    found = traps.train_rows(300, 0)
    assert found["train"][0] > found["test"][0] + 5
    assert "the rows that the model was trained on" in found["said"]


@pytest.mark.exhaustive
def test_a_loss_that_is_no_bound_exceeds_the_evidence():
    found = traps.no_bound(300, 0)
    (value, se), turned = found["log_evidence"], found["minus the loss"]
    assert turned > value + museum.ERRORS * se
    assert "no bound" in found["said"]
