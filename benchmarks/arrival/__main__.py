"""Does a fit end at the best normal of its family, or say that it did not? Runs the comparison.

    python -m benchmarks.arrival reference      # posterior means and sds by NUTS, first
    python -m benchmarks.arrival fits           # all methods, 5 seeds; goes on where it stopped
    python -m benchmarks.arrival polish         # the best known normals, made better
    python -m benchmarks.arrival recipes        # models of the zoo with an exact evidence
    python -m benchmarks.pages.arrival          # docs/arrival.md, from the JSON

Needs numpyro and pymc: pip install '.[bench]'. One thread, one process: OMP_NUM_THREADS=1.
"""

import argparse
import math
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pyro import poutine
from torch import Tensor

from benchmarks import records
from benchmarks.arrival import recipes, reference
from benchmarks.arrival.fixed_draws import polished
from benchmarks.arrival.methods import FAMILIES, METHODS, NORMAL_FAMILIES, Found
from benchmarks.arrival.posterior import Posterior
from benchmarks.arrival.posteriors import POSTERIORS
from benchmarks.arrival.records import Results
from benchmarks.arrival.scorer import Density, Moments, elbo, in_float64
from zoo.handlers.particles import particles
from zoo.isolation import isolated
from zoo.results.result import Fit

FLOW_DRAWS = 16_384  # draws of a flow that its moments and its ELBO are computed from
ROUNDS = 3  # of polishing, each from the best so far and on other draws


def fits(results: Results, asked: argparse.Namespace) -> None:
    """All methods on all posteriors, row by row."""
    done = results.done()
    for posterior, family, method, seed in cases(asked):
        if (posterior.name, family, method, seed) in done:
            continue
        row = one(results, posterior, family, method, seed)
        results.add("rows", row)
        print(posterior.name, family, method, seed, row["elbo"], row["said"], flush=True)


def cases(asked: argparse.Namespace) -> Iterator[tuple[Posterior, str, str, int]]:
    """What is asked for: posterior, family, method and seed, seed by seed."""
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for name in asked.only:
            for method in asked.methods:
                for family in METHODS[method][1]:
                    if family in asked.families:
                        yield POSTERIORS[name], family, method, seed


def one(
    results: Results, posterior: Posterior, family: str, method: str, seed: int
) -> dict[str, Any]:
    """A row: the ELBO, the errors against the reference, the cost, and what was said.

    The ELBO and the errors are None where the method diverged or failed.
    """
    row: dict[str, Any] = {
        "posterior": posterior.name,
        "family": family,
        "method": method,
        "seed": seed,
    }
    try:
        found: Found = METHODS[method][0](posterior, family, seed)
    except Exception as error:  # noqa: BLE001  a rival's failure is a result
        traceback.print_exc()
        found = Found(None, math.nan, None, {"failed": f"{type(error).__name__}: {error}"[:300]})
    scores = scored(results, posterior, family, method, found)
    cost = {"evaluations": found.evaluations, "seconds": finite(found.seconds)}
    return row | scores | cost | {"said": found.said}


def scored(
    results: Results, posterior: Posterior, family: str, method: str, found: Found
) -> dict[str, float | None]:
    """ELBO with its error, and errors of mean and sd; the normal is kept if it is the best."""
    names = ("elbo", "elbo_se", "mean_error", "sd_error")
    with in_float64():
        density, truth = Density(posterior), truth_of(results, posterior)
        if found.normal is not None:
            value = elbo(density, found.normal)
            errors = truth.errors(found.normal.mean, found.normal.sd)
            if math.isfinite(value[0]):
                results.keep_if_best(posterior, family, method, found.normal, value[0])
        elif found.fit is not None and found.fit.stopped != "diverged":
            u, log_q = flow_draws(found.fit)
            log_w = density(u) - log_q
            value = float(log_w.mean()), float(log_w.std()) / len(u) ** 0.5
            errors = truth.errors(u.mean(0), u.std(0))
        else:
            return dict.fromkeys(names)
    return dict(zip(names, map(finite, (*value, *errors)), strict=True))


def truth_of(results: Results, posterior: Posterior) -> Moments:
    """The posterior means and sds of the stored reference.

    Raises:
        KeyError: if there are none.
    """
    runs = results.read("reference").get("runs", {})
    if posterior.name not in runs:
        raise KeyError(
            f"No reference for {posterior.name}; first run "
            f"python -m benchmarks.arrival reference --only {posterior.name}"
        )
    return reference.moments(runs[posterior.name])


def flow_draws(fit: Fit) -> tuple[Tensor, Tensor]:
    """Draws of u from a flow over all latents, (n, d), and log q of each, (n,), float64."""
    args = fit.task.split("train")
    wide = particles(fit.program.guide, FLOW_DRAWS, fit.latents.nesting)
    usual = torch.get_default_dtype()
    with isolated(seed=0), torch.no_grad():
        torch.set_default_dtype(next(fit.program.parameters()).dtype)
        try:
            joint = poutine.trace(wide).get_trace(*args).nodes["joint"]
            log_q = joint["fn"].log_prob(joint["value"])
        finally:
            torch.set_default_dtype(usual)
    return joint["value"].reshape(FLOW_DRAWS, -1).double(), log_q.reshape(-1).double()


def polish(results: Results, asked: argparse.Namespace) -> None:
    """Makes the best known normals better, on 16,384 fixed draws, other draws each round."""
    for name in asked.only:
        for family in [f for f in asked.families if f in NORMAL_FAMILIES]:
            for seed in range(ROUNDS):
                kept = results.best(name, family)
                if kept is None:
                    break
                with in_float64():
                    density, (start, before) = Density(POSTERIORS[name]), kept
                    normal = polished(density, start, correlated=family == "full_rank", seed=seed)
                    value, _ = elbo(density, normal)
                better = results.keep_if_best(POSTERIORS[name], family, "polish", normal, value)
                print(name, family, f"{before:.4f} -> {value:.4f}", better, flush=True)


def references(results: Results, asked: argparse.Namespace) -> None:
    """The long runs that are not there yet."""
    for name in asked.only:
        record = results.read("reference")
        if name in record.get("runs", {}):
            continue
        try:
            run = reference.long_run(POSTERIORS[name])
        except RuntimeError as error:
            print(error, flush=True)
            continue
        results.write("reference", record | {"runs": record.get("runs", {}) | {name: run}})
        print(name, run["r_hat"], run["effective"], run["divergences"], flush=True)


def all_recipes(results: Results, asked: argparse.Namespace) -> None:
    """Models of the zoo with an exact evidence, fitted with defaults."""
    done = {(row["model"], row["seed"]) for row in results.read("fits").get("recipes", [])}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for name in recipes.RECIPES:
            if (name, seed) not in done:
                row = recipes.one(name, seed)
                results.add("recipes", row)
                print(name, seed, row["short"], row["stopped"], flush=True)


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


PARTS = {"fits": fits, "reference": references, "polish": polish, "recipes": all_recipes}


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS, nargs="?", default="fits")
    parser.add_argument("--only", nargs="+", default=list(POSTERIORS), choices=POSTERIORS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=records.RESULTS, help="folder of the JSON")
    asked = parser.parse_args()
    PARTS[asked.part](Results(asked.out), asked)


if __name__ == "__main__":
    main()
