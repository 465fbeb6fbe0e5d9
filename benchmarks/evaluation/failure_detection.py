"""The failure museum: which metric catches which planted failure, beside a healthy fit.

    python -m benchmarks.evaluation.failure_detection --out benchmarks/results/museum.json
    python -m benchmarks.evaluation.failure_detection --verdicts --out ...  # the verdicts alone
    python -m benchmarks.pages.failures    # docs/museum.md and its pictures, from the JSON

A metric catches a failure where it lies five of its own standard errors outside of the range that
RANGES gives it (p-values: below that, whatever their error).
"""

import argparse
import time
from pathlib import Path

import torch

import guides
import zoo
from benchmarks import records
from benchmarks.evaluation.planted_failures import EXHIBITS, exact, pair
from guides.per_datum_full_rank import PerDatumFullRank
from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.latent_usage import latent_usage
from zoo.evaluation.local_optimisation import Search
from zoo.evaluation.sbc import rank_calibration, signed_rank_p
from zoo.evidence import AnnealedImportance
from zoo.isolation import isolated
from zoo.metrics import Metric
from zoo.metrics.two_sample import two_sample
from zoo.results.result import Fit
from zoo.sampling.draws import draw

INF = float("inf")
SEEDS = 3
ROWS = 100
WEIGHTS = ("elbo", "iwae_100", "log_evidence", "ess", "k_hat", "exact_log_evidence", "gap")
ERRORS = 5.0
TWO_SAMPLE_ROWS = 5
COMPARED = 500  # draws in it
RANGES = {  # metric -> healthy range
    "gap": (-INF, 0.05),
    "iwae_100 - exact": (-INF, 0.001),
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
    "kl - mutual_information": (-0.001, INF),
    "active units / all": (1.0, 1.0),
    "aggregate mmd_p": (0.002, 1.0),
}


FREE = ("weights", "psis", "from_prior", "latents", "convergence")
READERS = {  # who asks -> the metrics that the verdict is made of
    "without the truth": FREE,
    "with the truth": (*FREE, "exact", "posterior", "two_sample"),
}


def caught(name: str, metric: Metric) -> bool:
    """Is the metric outside of its healthy range by its own error?"""
    low, high = RANGES[name]
    margin = 0.0 if metric.unit == "p-value" else ERRORS * metric.se
    return metric.value + margin < low or metric.value - margin > high


def measure(fit: Fit, *, draws: int = 1000, seed: int = 0) -> dict[str, Metric]:
    """All that takes seconds: weights, posterior, ranks, latents."""
    found = of_weights(fit, draws, seed)
    found |= of_draws(fit, COMPARED, seed) | of_ranks(fit, seed) | of_latents(fit, seed)
    return {name: found[name] for name in RANGES if name in found}


def judged(fit: Fit) -> dict[str, dict]:
    """Reader -> question -> answer and reason."""
    return {
        reader: zoo.evaluate(fit, metrics=metrics, seed=1).answers.questions
        for reader, metrics in READERS.items()
    }


def difference(first: Metric, second: Metric) -> Metric:
    se = (first.se**2 + second.se**2) ** 0.5
    return Metric(first.value - second.value, se, first.unit, "")


def of_weights(fit: Fit, draws: int, seed: int) -> dict[str, Metric]:
    """Bounds, evidence and the weights' shape, with the errors of the posterior's moments."""
    moments = ("posterior_mean_error", "posterior_sd_error")
    one = zoo.evaluate(fit, metrics=[*WEIGHTS, *moments], draws=draws, seed=seed)
    truth = one["exact_log_evidence"]
    ess = one["ess"]
    return {
        "gap": one["gap"],
        "iwae_100 - exact": difference(one["iwae_100"], truth),
        "log_evidence - exact": difference(one["log_evidence"], truth),
        "k_hat": one["k_hat"],
        "ess / draws": Metric(ess.value / draws, ess.se / draws, "", "higher"),
        **{name: one[name] for name in moments},
    }


def of_draws(fit: Fit, draws: int, seed: int) -> dict[str, Metric]:
    """Two-sample tests against exact draws, all dimensions of a few rows at once."""
    (x,) = fit.task.split("train")
    with isolated(seed=seed + 1), torch.no_grad():
        sampled = draw(fit.program, (x,), draws, rows=TWO_SAMPLE_ROWS).latents
        reference = exact(fit.model, x[:TWO_SAMPLE_ROWS]).sample((draws,))
    found = two_sample(sampled, {"z": reference}, seed=seed)
    return {f"two-sample {name}": found[name] for name in ("mmd_p", "classifier_knn")}


def of_ranks(fit: Fit, seed: int, repeats: int = 10) -> dict[str, Metric]:
    """SBC and VSBC's symmetry, the smallest p-value over dimensions times their number."""
    args = fit.task.split("train")
    ranks = rank_calibration(fit.program, args, repeats=repeats, seed=seed)
    count = len(ranks)
    each = [one.chi_square_p for one in ranks.values()]
    middle = [(one.ranks + 0.5) / (one.most + 1) - 0.5 for one in ranks.values()]
    symmetry = [signed_rank_p(p) for p in middle]
    return {
        "SBC p": Metric(min(1.0, count * min(each)), 0.0, "p-value", ""),
        "VSBC symmetry p": Metric(min(1.0, count * min(symmetry)), 0.0, "p-value", ""),
    }


def of_latents(fit: Fit, seed: int) -> dict[str, Metric]:
    """KL, mutual information, active units, and the aggregated posterior against the prior."""
    health = latent_usage(fit.program, fit.task.split("train"), draws=100, seed=seed)
    site = health.sites["z"]
    size = len(site.mean_variance[0])
    active = site.active
    return {
        "kl": health.kl,
        "mutual_information": health.mutual_information,
        "kl - mutual_information": difference(health.kl, health.mutual_information),
        "active units / all": Metric(active.value / size, active.se / size, "", "higher"),
        "aggregate mmd_p": site.mmd[1],
    }


def measure_slowly(fit: Fit, seed: int = 0) -> dict[str, Metric]:
    """Annealing beside importance sampling, and the split of the gap."""
    chains = AnnealedImportance(chains=32, temperatures=60, leapfrogs=4)
    one = zoo.evaluate(fit, metrics=["log_evidence", chains], seed=seed)
    found = {"ais - log_evidence": difference(one["ais"], one["log_evidence"])}
    search = Search(limit=800)
    split = measure_gaps(fit, [local_family(fit)], rows=20, search=search, seed=seed)
    metrics = split.splits["train"].metrics()
    family = split.families[0]
    found["approximation gap"] = metrics[f"approximation/{family}"]
    found["amortisation gap"] = metrics[f"amortisation/{family}"]
    return found


def local_family(fit: Fit) -> type:
    """Full covariance where there is more than one dimension to covary."""
    return PerDatumFullRank if fit.latents["z"].event_shape else guides.PerDatum


def collected(fit: Fit, *, is_slow: bool) -> dict[str, dict]:
    """Metric -> its values and errors over evaluation seeds, and in how many it was caught."""
    every = [measure(fit, seed=seed) for seed in range(1, 1 + SEEDS)]
    every[0] |= measure_slowly(fit) if is_slow else {}
    found = {}
    for name in [name for name in RANGES if name in every[0]]:
        metrics = [one[name] for one in every if name in one]
        found[name] = {
            "values": [metric.value for metric in metrics],
            "errors": [metric.se for metric in metrics],
            "caught": sum(caught(name, metric) for metric in metrics),
        }
    return found


def main() -> None:
    torch.set_default_dtype(torch.float64)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exhibits", nargs="*", default=list(EXHIBITS), choices=list(EXHIBITS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--verdicts", action="store_true", help="keep the metrics that are there")
    asked, started = parser.parse_args(), time.perf_counter()
    record = records.made_now() | {"device": "cpu", "seeds": SEEDS, "rows": ROWS}
    made = {name: record[name] for name in records.MADE}
    before = records.read(asked.out) if asked.out and asked.out.exists() else {}
    kept = before.get("exhibits", {})
    found, healthy_fits, verdicts = {}, {}, {}
    for name in asked.exhibits:
        shown, (healthy, sick) = EXHIBITS[name], pair(name, ROWS)
        if shown.model not in verdicts:
            verdicts[shown.model] = judged(healthy)
        said = {"healthy": verdicts[shown.model], "sick": judged(sick), "made": made}
        if asked.verdicts:
            found[name] = kept[name] | {"verdict": said}
        else:
            if shown.model not in healthy_fits:
                healthy_fits[shown.model] = collected(healthy, is_slow=False)
            parts = {"healthy": healthy_fits[shown.model], "sick": collected(sick, is_slow=True)}
            found[name] = {"story": shown.story, **made, **parts, "verdict": said}
        print(f"{name} after {time.perf_counter() - started:.0f} s", flush=True)
    if asked.out:
        record["seconds"] = time.perf_counter() - started
        record = before if asked.verdicts else record  # of the metrics; a verdict has its own
        every = {name: (kept | found)[name] for name in EXHIBITS if name in kept | found}
        records.write(asked.out, record | {"exhibits": every})


if __name__ == "__main__":
    main()
