"""The failure museum: which figure catches which planted failure, beside a healthy twin.

    python benchmarks/museum.py --out benchmarks/results/museum.json     # also docs/museum*.png
    python benchmarks/museum.py --page benchmarks/results/museum.json    # docs/museum.md alone

A figure catches a failure where it lies five of its own standard errors outside of the range that
RANGES gives it (p-values: below that, whatever their error).
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

import torch
from exhibits import EXHIBITS, exact, pair
from torch import Tensor

import guides
import zoo
from guides.per_datum_full_rank import PerDatumFullRank
from zoo.draws import draw
from zoo.figures import AnnealedImportance, Figure
from zoo.figures.latents import latent_health
from zoo.figures.simulation import rank_calibration, signed_rank_p
from zoo.figures.two_sample import two_sample
from zoo.gaps import gaps
from zoo.isolation import isolated
from zoo.local import Search
from zoo.provenance import provenance
from zoo.result import Fit

INF = float("inf")
DOCS = Path(__file__).parent.parent / "docs"
WEIGHTS = ("elbo", "iwae_100", "log_evidence", "ess", "k_hat", "exact_log_evidence", "gap")
ERRORS = 5.0
FIRST = 5  # rows in a two-sample test
RANGES = {  # figure -> healthy range
    "gap": (-INF, 0.05),
    "iwae_100 - exact": (-INF, 0.0),
    "log_evidence - exact": (-0.05, 0.05),
    "k_hat": (-INF, 0.67),
    "ess / draws": (0.5, 1.0),
    "ais - log_evidence": (-0.05, 0.05),
    "approximation gap": (-0.05, 0.05),
    "amortisation gap": (-0.05, 0.05),
    "posterior_mean_error": (0.0, 0.1),
    "posterior_sd_error": (0.0, 0.1),
    "two-sample mmd_p": (0.002, 1.0),
    "two-sample classifier_knn": (0.0, 0.5),
    "SBC p": (0.001, 1.0),
    "VSBC symmetry p": (0.001, 1.0),
    "kl": (0.05, INF),
    "mutual_information": (0.05, INF),
    "kl - mutual_information": (0.0, INF),
    "active units / all": (1.0, 1.0),
    "aggregate mmd_p": (0.002, 1.0),
}
NEEDS = {  # figure -> what must be known for it
    "gap": "exact evidence",
    "iwae_100 - exact": "exact evidence",
    "log_evidence - exact": "exact evidence",
    "approximation gap": "exact evidence",
    "posterior_mean_error": "exact posterior",
    "posterior_sd_error": "exact posterior",
    "two-sample mmd_p": "posterior draws",
    "two-sample classifier_knn": "posterior draws",
}


def caught(name: str, figure: Figure) -> bool:
    """Is the figure outside of its healthy range by its own error?"""
    low, high = RANGES[name]
    margin = 0.0 if figure.unit == "p-value" else ERRORS * figure.se
    return figure.value + margin < low or figure.value - margin > high


def measure(fit: Fit, *, draws: int = 1000, seed: int = 0) -> dict[str, Figure]:
    """All that takes seconds: weights, posterior, ranks, latents."""
    found = of_weights(fit, draws, seed)
    found |= of_draws(fit, draws, seed) | of_ranks(fit, seed) | of_latents(fit, seed)
    return {name: found[name] for name in RANGES if name in found}


def difference(first: Figure, second: Figure) -> Figure:
    se = (first.se**2 + second.se**2) ** 0.5
    return Figure(first.value - second.value, se, first.unit, "")


def of_weights(fit: Fit, draws: int, seed: int) -> dict[str, Figure]:
    """Bounds, evidence and the weights' shape, with the errors of the posterior's moments."""
    moments = ("posterior_mean_error", "posterior_sd_error")
    one = zoo.evaluate(fit, figures=[*WEIGHTS, *moments], draws=draws, seed=seed)
    truth = one["exact_log_evidence"]
    ess = one["ess"]
    return {
        "gap": one["gap"],
        "iwae_100 - exact": difference(one["iwae_100"], truth),
        "log_evidence - exact": difference(one["log_evidence"], truth),
        "k_hat": one["k_hat"],
        "ess / draws": Figure(ess.value / draws, ess.se / draws, "", "higher"),
        **{name: one[name] for name in moments},
    }


def of_draws(fit: Fit, draws: int, seed: int) -> dict[str, Figure]:
    """Two-sample tests against exact draws, all dimensions of a few rows at once."""
    (x,) = fit.task.split("train")
    with isolated(seed=seed + 1), torch.no_grad():
        sampled = draw(fit.program, (x,), draws, rows=FIRST).latents
        reference = exact(fit.model, x[:FIRST]).sample((draws,))
    found = two_sample(sampled, {"z": reference}, seed=seed)
    return {
        f"two-sample {name}": found[name] for name in ("mmd_p", "classifier_knn")
    }


def of_ranks(fit: Fit, seed: int, repeats: int = 10) -> dict[str, Figure]:
    """SBC and VSBC's symmetry, the smallest p-value over dimensions times their number."""
    args = fit.task.split("train")
    ranks = rank_calibration(fit.program, args, repeats=repeats, seed=seed)
    count = len(ranks)
    each = [one.chi_square_p for one in ranks.values()]
    middle = [(one.ranks + 0.5) / (one.most + 1) - 0.5 for one in ranks.values()]
    symmetry = [signed_rank_p(p) for p in middle]
    return {
        "SBC p": Figure(min(1.0, count * min(each)), 0.0, "p-value", ""),
        "VSBC symmetry p": Figure(min(1.0, count * min(symmetry)), 0.0, "p-value", ""),
    }


def of_latents(fit: Fit, seed: int) -> dict[str, Figure]:
    """KL, mutual information, active units, and the aggregated posterior against the prior."""
    health = latent_health(fit.program, fit.task.split("train"), seed=seed)
    site = health.sites["z"]
    size = len(site.mean_variance[0])
    active = site.active
    return {
        "kl": health.kl,
        "mutual_information": health.mutual_information,
        "kl - mutual_information": difference(health.kl, health.mutual_information),
        "active units / all": Figure(active.value / size, active.se / size, "", "higher"),
        "aggregate mmd_p": site.mmd[1],
    }


def measure_slowly(fit: Fit, seed: int = 0) -> dict[str, Figure]:
    """Annealing beside importance sampling, and the split of the gap."""
    chains = AnnealedImportance(chains=32, temperatures=100, leapfrogs=4)
    one = zoo.evaluate(fit, figures=["log_evidence", chains], seed=seed)
    found = {"ais - log_evidence": difference(one["ais"], one["log_evidence"])}
    search = Search(limit=1500)
    split = gaps(fit, [local_family(fit)], rows=40, search=search, seed=seed)
    figures = split.splits["train"].figures()
    family = split.families[0]
    found["approximation gap"] = figures[f"approximation/{family}"]
    found["amortisation gap"] = figures[f"amortisation/{family}"]
    return found


def local_family(fit: Fit) -> type:
    """Full covariance where there is more than one dimension to covary."""
    return PerDatumFullRank if fit.latents["z"].event_shape else guides.PerDatum
