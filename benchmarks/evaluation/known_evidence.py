"""Is the harness right about the evidence? Its estimators beside known numbers.

    python -m benchmarks.evaluation.known_evidence --out benchmarks/results/harness.json
    python -m benchmarks.evaluation.known_evidence --rows sonar/smc coverage/ais           # some

Logistic regression with a prior N(0, I) (columns standardized, a column of ones in front), whose
log evidence is known to a few hundredths from long simulation; needs ionosphere.npz and sonar.npz
in ZOO_DATA. How often value +- 1.96 se holds the exact evidence of probabilistic PCA, and the
bidirectional bounds that of the data which they simulate. And what
iwae_5000 of a Bernoulli VAE costs, over a plain loop in PyTorch on the same networks; and how much
memory iwae_K takes as K and the rows grow.
"""

import argparse
import json
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

import guides
import zoo
from benchmarks import records
from zoo.evidence import AnnealedImportance, Bidirectional, TemperedSMC
from zoo.evidence.estimator import densities
from zoo.isolation import isolated
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.regression.logistic_regression import LogisticRegression

KNOWN = {"ionosphere": (-111.60, 0.02), "sonar": (-108.40, 0.04)}
LONG = {
    "smc": TemperedSMC(particles=128, runs=10),
    "ais": AnnealedImportance(chains=64, temperatures=1500),
}
SHORT = {
    "smc": TemperedSMC(particles=64, runs=8, leapfrogs=4),
    "ais": AnnealedImportance(chains=16, temperatures=100, leapfrogs=4),
    "bdmc": Bidirectional(chains=8, temperatures=100, leapfrogs=4),
}
SEEDS = 60
PARTICLES, GROUPS, AT_ONCE, REPEATS = 5000, 2, 64, 3
SIZES = {  # (draws, rows) of iwae_K, K half of the draws
    "particles": ((1_000, 100), (10_000, 100), (100_000, 100)),
    "rows": ((2_000, 100), (2_000, 1_000), (2_000, 10_000)),
}
DIFFERS, VAGUE = 3.0, 0.5  # standard errors; nats
Z = 1.96
ROWS = [f"{data}/{name}" for data in KNOWN for name in LONG] + [f"coverage/{n}" for n in SHORT]
ROWS += [f"cost/iwae_{PARTICLES}", *(f"memory/{name}" for name in SIZES)]


def regression(name):
    """The data as the known numbers have it: x with a column of ones, y of zeros and ones."""
    held = np.load(Path(os.environ["ZOO_DATA"]) / f"{name}.npz")
    x, sd = held["x"], held["x"].std(0)
    x = (x - x.mean(0)) / np.where(sd > 0, sd, 1)
    x = np.hstack([np.ones((len(x), 1)), x])
    return torch.tensor(x), torch.tensor((held["y"] + 1) / 2)


def known(name, estimator):
    """One estimate of a known evidence; it needs no guide, so that none is trained."""
    x, y = regression(name)
    result = zoo.fit(LogisticRegression(x.shape[1]), guides.MeanField, x, y, steps=1)
    started = time.perf_counter()
    (metric,) = zoo.evaluate(result, metrics=[estimator]).values()
    truth, doubt = KNOWN[name]
    away = (metric.value - truth) / (metric.se**2 + doubt**2) ** 0.5
    return {
        "value": metric.value,
        "se": metric.se,
        "known": truth,
        "known_se": doubt,
        "away": away,
        "verdict": verdict(away, metric.se),
        "note": metric.note,
        "seconds": time.perf_counter() - started,
    }


def verdict(away, se):
    """agrees, differs, or cannot tell, where the standard error is too large."""
    if abs(away) >= DIFFERS:
        return "differs"
    return "agrees" if se < VAGUE else "cannot tell"


def cost():
    """CPU seconds of the zoo's iwae_5000 over those of a plain loop, in turn; the medians."""
    torch.set_default_dtype(torch.float32)
    result = zoo.fit(zoo.load("bernoulli_vae"), guides.AmortisedNormal, steps=300)
    (x,) = result.task.split("test")
    zoo_seconds, plain_seconds = [], []
    for seed in range(REPEATS):
        started = time.process_time()
        found = zoo.evaluate(result, metrics=[f"iwae_{PARTICLES}"], seed=seed)
        between = time.process_time()
        value = plain_bound(result.model, result.guide.encoder, x)
        zoo_seconds.append(between - started)
        plain_seconds.append(time.process_time() - between)
    torch.set_default_dtype(torch.float64)
    (metric,) = found.values()
    return {
        "value": metric.value,
        "se": metric.se,
        "plain_value": value,
        "rows": len(x),
        "note": metric.note,
        "ratio": float(np.median(zoo_seconds) / np.median(plain_seconds)),
        "seconds": float(np.median(zoo_seconds)),
        "plain_seconds": float(np.median(plain_seconds)),
        "repeats": REPEATS,
    }


@torch.no_grad()
def plain_bound(model, encoder, x):
    """The bound as one writes it by hand, AT_ONCE draws a block, GROUPS groups: nats/row."""
    loc, scale = encoder.heads[0](encoder.body(x)).chunk(2, dim=-1)
    q = torch.distributions.Normal(loc, torch.nn.functional.softplus(scale) + 1e-6)
    prior, bounds = torch.distributions.Normal(0.0, 1.0), []
    for _ in range(GROUPS):
        total = torch.full((len(x),), -torch.inf)
        for start in range(0, PARTICLES, AT_ONCE):
            z = q.sample((min(AT_ONCE, PARTICLES - start),))
            logits = model.decoder(z)
            fit = (x * logits - torch.nn.functional.softplus(logits)).sum(-1)
            log_w = fit + (prior.log_prob(z) - q.log_prob(z)).sum(-1)
            total = torch.logaddexp(total, log_w.logsumexp(0))
        bounds.append(total - np.log(PARTICLES))
    return torch.stack(bounds).mean().item()


def memory(name):
    """Peak memory of iwae_K over that of a small one, MiB, each in a process of its own."""
    peaks = {}
    for draws, rows in SIZES[name]:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            peaks[f"{draws // 2:,} x {rows:,}"] = alone.submit(peak, draws, rows).result()
    return {"peaks": peaks, "unit": "MiB above the peak after iwae_50 of 20 rows"}


def peak(draws, rows):
    """MiB by which evaluating raises this process's largest resident set."""
    result = zoo.fit(zoo.load("bernoulli_vae"), guides.AmortisedNormal, steps=2, compile=False)
    (x,) = result.task.split("test")
    for size, count in ((100, 20), (draws, rows)):
        data = replace(result.task.data, test=(x.repeat(count // len(x) + 1, 1)[:count],))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cut = replace(result, task=replace(result.task, data=data))
        zoo.evaluate(cut, metrics=[f"iwae_{size // 2}"], draws=size)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def coverage(estimator):
    """How often value +- 1.96 se holds the exact evidence of the rows."""
    result, x = known_ppca()
    with torch.no_grad():
        truth = result.model.log_evidence(x).mean().item()
    started, metrics = time.perf_counter(), []
    for seed in range(SEEDS):
        metrics += zoo.evaluate(result, metrics=[estimator], seed=seed).values()
    scores = torch.tensor([(metric.value - truth) / metric.se for metric in metrics])
    return {
        "covered": (scores.abs() < Z).double().mean().item(),
        "mean_score": scores.mean().item(),
        "sd_score": scores.std().item(),
        "mean_se": torch.tensor([metric.se for metric in metrics]).mean().item(),
        "seeds": SEEDS,
        "seconds": time.perf_counter() - started,
    }


def known_ppca():
    """Probabilistic PCA, untrained, and its 30 rows."""
    torch.manual_seed(0)
    model = ProbabilisticPCA(5, 2)
    with torch.no_grad():
        model.log_scale.fill_(-0.7)
        x = torch.randn(30, 2) @ model.weight.mT + 0.5 * torch.randn(30, 5)
    return zoo.fit(model, guides.AmortisedFullRank, x, steps=1, lr=1e-30), x


def sandwiched(estimator):
    """How often either bound is on its side of the exact evidence of simulated data."""
    result, x = known_ppca()
    started, ends = time.perf_counter(), {"lower": [], "upper": []}
    for seed in range(SEEDS):
        with isolated(seed=seed), torch.no_grad():
            (density,) = densities(result.program.eval(), (x,), estimator.chains)
            up, down, data = estimator.run(density)
            truth = result.model.log_evidence(data["x"][0]).mean().item()
        found = estimator.bounds(up, down, rowwise=True)
        for end, scores in ends.items():
            metric = found[f"bdmc_{end}"]
            scores.append((metric.value - truth, metric.se))
    values = {end: torch.tensor(scores) for end, scores in ends.items()}
    scores = {end: value[:, 0] / value[:, 1] for end, value in values.items()}
    return {
        "lower_held": (scores["lower"] < Z).double().mean().item(),
        "upper_held": (scores["upper"] > -Z).double().mean().item(),
        "mean_score": {end: score.mean().item() for end, score in scores.items()},
        "sd_score": {end: score.std().item() for end, score in scores.items()},
        "mean_off": {end: value[:, 0].mean().item() for end, value in values.items()},
        "mean_se": {end: value[:, 1].mean().item() for end, value in values.items()},
        "seeds": SEEDS,
        "seconds": time.perf_counter() - started,
    }


def measured(row):
    """The measurement that a row names."""
    kind, name = row.split("/")
    if kind == "cost":
        return cost()
    if kind == "memory":
        return memory(name)
    if kind != "coverage":
        return known(kind, LONG[name])
    return sandwiched(SHORT[name]) if name == "bdmc" else coverage(SHORT[name])


def main() -> None:
    torch.set_default_dtype(torch.float64)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", default=ROWS, choices=ROWS)
    parser.add_argument("--out", type=Path)
    asked, rows = parser.parse_args(), []
    record = records.made_now() | {"device": "cpu", "python": sys.version.split()[0]}
    made = {name: record[name] for name in records.MADE}
    for row in asked.rows:
        rows.append({"row": row, **measured(row), **made})
        print(json.dumps(rows[-1]), flush=True)
    if asked.out:
        if asked.out.exists():  # rows that were not asked for stay as they were measured
            kept = records.read(asked.out)["rows"]
            rows = [row for row in kept if row["row"] not in asked.rows] + rows
        records.write(asked.out, record | {"rows": rows})


if __name__ == "__main__":
    main()
