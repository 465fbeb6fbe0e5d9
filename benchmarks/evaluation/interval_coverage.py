"""Do the harness's intervals hold the truth? Eight models of known evidence, three guides each.

    python -m benchmarks.evaluation.interval_coverage --out benchmarks/results/coverage.json
    python -m benchmarks.evaluation.interval_coverage --parts pairs --out ...   # the others kept
    python -m benchmarks.pages.known_evidence    # docs/harness.md from what is there

For each pair, twenty evaluations with seeds of their own. A bound must not pass the exact one; the
importance-sampled evidence must be within 5 standard errors of it; value +- 1.96 se must hold
its own target in 95 % of the seeds: the exact evidence, or for a bound, which has a target below
it, a run with twenty times the draws. The coverage of single rows is split by k-hat: by that of
the same draws, and by the row's own, its median over seeds.
Annealed importance sampling, which needs no guide, is run on the models with continuous latents.
The k-hat of the mean-field guide on eight schools is measured over fits and evaluation seeds.
"""

import argparse
import json
import math
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

import zoo
from benchmarks import records
from guides import guide_named
from zoo.evidence import AnnealedImportance
from zoo.isolation import isolated
from zoo.metrics.bounds import log_evidence
from zoo.metrics.weight_diagnostics import k_hat
from zoo.sampling.importance_weights import weight_chunks

AMORTISED = {"amortised_normal": "trace", "amortised_full_rank": "trace", "amortised_iaf": "trace"}
GLOBAL = {"mean_field": "trace", "full_rank": "trace", "iaf": "trace"}
DISCRETE = {"amortised_discrete": "rloo", "relaxed": "trace", "straight_through": "trace"}
PAIRS = {  # model -> guide -> objective
    "ppca": AMORTISED,
    "factor_analysis": AMORTISED,
    "linear_regression": GLOBAL,
    "bernoulli_latent": DISCRETE,
    "gaussian_mixture": DISCRETE,
    "hmm": DISCRETE,
    "local_level": AMORTISED,
    "gp_regression": GLOBAL,
}
CONTINUOUS = ("ppca", "factor_analysis", "linear_regression", "local_level", "gp_regression")
BOUNDS = ("elbo", "iwae_10", "iwae_100")
STEPS, ROWS, DRAWS, SEEDS, LONG = 3000, 40, 1000, 20, 20_000
ANNEALED = AnnealedImportance(chains=16, temperatures=60, leapfrogs=4)
ANNEALED_SEEDS, ANNEALED_ROWS = 10, 10
ROUNDING = 1e-8  # nats: what a weight without any spread still varies by
Z = 1.96
SCHOOLS_DRAWS = (10_000, 100_000)
EDGES = (0.3, 0.5, 0.67)  # of k-hat; weights have infinite variance from 0.5, 0.67 is the limit


def shortened(task, rows):
    """The task with only its first test rows, where its rows are independent."""
    if not task.data.rowwise or not task.data.test:
        return task
    return replace(
        task, data=replace(task.data, test=tuple(part[:rows] for part in task.data.test))
    )


def trained(model, guide, objective):
    """A short fit of a model that knows its evidence at any parameters."""
    task = shortened(zoo.load(model), ROWS)
    return zoo.fit(
        task, guide_named(guide), objective=objective, steps=STEPS, lr=0.01, compile=False
    )


def truth_of(fit, split):
    with torch.no_grad():
        return fit.model.log_evidence(*fit.task.split(split)).reshape(-1)


def score(metric, target, doubt=0.0):
    """How many standard errors the metric is from its target."""
    return (metric.value - target) / ((metric.se**2 + doubt**2) ** 0.5 + ROUNDING)


def share(hits):
    """Share of hits and its binomial error at 95 %."""
    hits = torch.as_tensor(hits)
    count = hits.numel()
    if not count:
        return {"covered": math.nan, "intervals": 0}
    return {
        "covered": hits.double().mean().item(),
        "error": (0.95 * 0.05 / count) ** 0.5,
        "intervals": count,
    }


def by_row(fit, split, truth):
    """Each row's error of log_evidence in nats, its standard error, and k-hat; (seeds, rows)."""
    args, found = fit.task.split(split), []
    for seed in range(SEEDS):
        with isolated(seed=1000 + seed), torch.no_grad():
            log_w = torch.cat(list(weight_chunks(fit.program, args, DRAWS)), dim=1)
        values, errors = log_evidence(log_w)
        found.append((values - truth, errors, k_hat(log_w)[0]))
    return tuple(torch.stack(column) for column in zip(*found, strict=True))


def binned(errors, doubts, shapes):
    """Coverage, bias in nats and largest error, in bins of k-hat."""
    edges, found = [-math.inf, *EDGES, math.inf], {}
    scores = errors / (doubts + ROUNDING)
    for low, high in pairwise(edges):
        inside = (shapes > low) & (shapes <= high)
        if not inside.any():
            continue
        found[f"{low:.2f} to {high:.2f}"] = {
            **share(scores[inside].abs() < Z),
            "bias": errors[inside].mean().item(),
            "mean_se": doubts[inside].mean().item(),
            "largest": errors[inside].abs().max().item(),
        }
    return found


def pair_row(model, guide, objective):
    fit = trained(model, guide, objective)
    names = [*BOUNDS, "log_evidence"]
    wanted = [*names, "k_hat", "ess"]
    long = zoo.evaluate(fit, metrics=list(BOUNDS), draws=LONG, seed=10_000)
    truth = truth_of(fit, long.split)
    exact = truth.mean().item()
    found = [zoo.evaluate(fit, metrics=wanted, draws=DRAWS, seed=s) for s in range(SEEDS)]
    errors, doubts, shapes = by_row(fit, long.split, truth)
    typical = shapes.median(0).values.expand_as(shapes)
    target = {name: (long[name].value, long[name].se) for name in BOUNDS}
    target["log_evidence"] = (exact, 0.0)
    off = {name: [score(one[name], *target[name]) for one in found] for name in names}
    above = {name: max(score(one[name], exact) for one in found) for name in names}
    return {
        "pair": f"{model}/{guide}",
        "objective": objective,
        "split": long.split,
        "rows": long.rows,
        "exact": exact,
        "gap": exact - target["elbo"][0],
        "k_hat": sum(one["k_hat"].value for one in found) / SEEDS,
        "ess": sum(one["ess"].value for one in found) / SEEDS,
        "highest_above_exact": {name: above[name] for name in names},
        "worst_log_evidence": max(off["log_evidence"], key=abs),
        "coverage": {
            name: share([abs(one) < Z for one in values]) for name, values in off.items()
        },
        "by_own_k_hat": binned(errors, doubts, shapes),
        "by_rows_k_hat": binned(errors, doubts, typical),
    }


def annealed_row(model):
    """AIS beside the exact evidence; it needs only the model, so the guide is not trained."""
    task = shortened(zoo.load(model), ANNEALED_ROWS)
    fit = zoo.fit(task, guide_named(next(iter(PAIRS[model]))), steps=100, lr=0.01, compile=False)
    split = zoo.evaluate(fit, metrics=["elbo"], draws=20).split
    exact = truth_of(fit, split).mean().item()
    found = [
        zoo.evaluate(fit, metrics=[ANNEALED], draws=20, seed=seed)["ais"]
        for seed in range(ANNEALED_SEEDS)
    ]
    scores = [score(metric, exact) for metric in found]
    return {
        "model": model,
        "exact": exact,
        "value": sum(metric.value for metric in found) / ANNEALED_SEEDS,
        "se": sum(metric.se for metric in found) / ANNEALED_SEEDS,
        "worst": max(scores, key=abs),
        "mean_score": sum(scores) / ANNEALED_SEEDS,
        **share([abs(one) < Z for one in scores]),
        "note": found[0].note,
    }


def eight_schools_rows(name, fits=5, steps=8000):
    """A row for each number of draws, all of the same fits."""
    several = zoo.fit(
        zoo.load(name), guide_named("mean_field"), steps=steps, lr=0.01, replicas=fits
    )
    return [eight_schools_k_hat(name, several, steps, draws) for draws in SCHOOLS_DRAWS]


def eight_schools_k_hat(name, several, steps, draws, seeds=20):
    """k-hat of the mean-field guide, over fits and evaluation seeds."""
    values = torch.tensor(
        [
            [
                zoo.evaluate(fit, metrics=["k_hat"], draws=draws, seed=s)["k_hat"].value
                for s in range(seeds)
            ]
            for fit in several
        ]
    )
    return {
        "task": name,
        "steps": steps,
        "draws": draws,
        "k_hat": values.mean().item(),
        "se_over_fits": (values.mean(1).std() / len(values) ** 0.5).item(),
        "sd_over_evaluations": values.std(1).mean().item(),
        "lowest": values.min().item(),
        "highest": values.max().item(),
        "values": values.tolist(),
    }


def pooled(pairs):
    """Coverage over all pairs, metric by metric and bin by bin."""
    found = {name: together([p["coverage"][name] for p in pairs]) for name in pairs[0]["coverage"]}
    for split in ("by_own_k_hat", "by_rows_k_hat"):
        bins = dict.fromkeys(name for p in pairs for name in p[split])
        found[split] = {
            name: together([p[split][name] for p in pairs if name in p[split]])
            for name in sorted(bins, key=lambda name: float(name.split()[0]))
        }
    return found


def together(parts):
    """Several shares as one; biases weighted by their counts."""
    count = sum(part["intervals"] for part in parts)
    found = {
        name: sum(part[name] * part["intervals"] for part in parts) / count
        for name in ("covered", "bias", "mean_se")
        if name in parts[0]
    }
    return found | {"error": (0.95 * 0.05 / count) ** 0.5, "intervals": count}


def pairs_of(models):
    rows = []
    for model in models:
        for guide, objective in PAIRS[model].items():
            rows.append(pair_row(model, guide, objective))
            print(json.dumps(rows[-1]), flush=True)
    return {"pairs": rows, "pooled": pooled(rows)}


def schools_of(models):
    tasks = ("eight_schools", "eight_schools_noncentred")
    return {"eight_schools": [row for name in tasks for row in eight_schools_rows(name)]}


def annealed_of(models):
    return {"annealed": [annealed_row(model) for model in models if model in CONTINUOUS]}


PARTS = {"pairs": pairs_of, "schools": schools_of, "annealed": annealed_of}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--out", type=Path)
    asked, started = parser.parse_args(), time.perf_counter()
    record = records.made_now() | {"device": "cpu"}
    record |= {"steps": STEPS, "draws": DRAWS, "seeds": SEEDS, "long_draws": LONG}
    found = {}
    for part in asked.parts:
        found |= PARTS[part](asked.models)
        print(json.dumps(found), flush=True)
    if asked.out:
        kept = records.read(asked.out) if asked.out.exists() else {}
        record |= {"seconds": time.perf_counter() - started}
        made = {name: record[name] for name in records.MADE}
        later = kept.get("later", {}) | dict.fromkeys(asked.parts, made)
        if set(asked.parts) == set(PARTS):
            kept = {}
            later = {}
        records.write(asked.out, record | kept | found | {"later": later})


if __name__ == "__main__":
    main()
