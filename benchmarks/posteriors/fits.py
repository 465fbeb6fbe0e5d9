"""One fit of the arena: a guide on a posterior, its errors against the truth, what it cost."""

import time
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

import zoo
from benchmarks.posteriors.targets import Target, Truth
from guides import GUIDES
from zoo.evaluation.evaluate import Metrics
from zoo.isolation import isolated
from zoo.metrics.moment_shift import MEAN_OFF, SD_OFF
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import mismatch
from zoo.provenance import provenance
from zoo.reference.logs import with_logs
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.task import Task
from zoo.training.divergence import DivergenceError

SAMPLES = 40_000  # draws behind a guide's own moments
AT_ONCE = 4_000  # of them
PICTURED = 200  # draws of a guide in the picture of a plane
BLIND = ("weights", "psis", "from_prior", "convergence")  # what the verdict is made of
TRUE = ("gap", "sliced_wasserstein_2")  # what needs the truth, kept from the verdict
SHOWN = ("elbo", "k_hat", *TRUE)
Row = dict[str, Any]


def guides_on(task: Task) -> list[str]:
    """The guides that go with a task under the ELBO, the empty one and composed ones apart."""
    latents = zoo.describe(task.build(), *task.scoring_args("train"))
    trace = OBJECTIVES["trace"]
    return [
        name
        for name, guide in GUIDES.items()
        if "+" not in name and mismatch(latents, guide, trace) is None
    ]


def fitted(task: Task, guide: str, seed: int) -> Fit:
    """The fit with all defaults, as a user gets it; one that diverged is kept as it ended."""
    try:
        return zoo.fit(task, GUIDES[guide], seed=seed, freeze_model=True)
    except DivergenceError as error:
        return error.fit


def row_of(target: Target, truth: Truth | None, guide: str, seed: int) -> Row:
    """One fit with its metrics, its verdict and its true errors; a refusal has its sentence."""
    task, row = target.load(), {"target": target.name, "guide": guide, "seed": seed}
    started = time.perf_counter()
    try:
        fit = fitted(task, guide, seed)
    except ValueError as error:
        return row | {"refused": str(error)}
    seconds = time.perf_counter() - started
    metrics = zoo.evaluate(fit, metrics=BLIND, seed=seed)
    true = zoo.evaluate(fit, metrics=TRUE, seed=seed)
    cost = {"seconds": seconds, "build_seconds": fit.build_seconds, "gradients": fit.evaluations}
    found = row | rounded(cost) | {"stopped": fit.stopped, "commit": _commit(fit)}
    found |= _scored(metrics, true)
    if truth is not None:
        found |= rounded(errors(_drawn(fit, seed), truth))
    return found | _pictured(fit, seed)


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    """To five significant digits, so that the file of results stays small."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def _commit(fit: Fit) -> str:
    return str(provenance(fit.task.data)["commit"])


def _scored(metrics: Metrics, true: Metrics) -> Row:
    """The metrics shown on the page as pairs of value and error, and what the verdict says."""
    both = metrics.metrics | true.metrics
    kept = {name: both[name] for name in SHOWN if name in both}
    questions = metrics.answers.questions
    return {
        "metrics": {n: [float(f"{x:.5g}") for x in (m.value, m.se)] for n, m in kept.items()},
        "difficulties": [one.kind for one in metrics.difficulties],
        "verdict": {name: one["answer"] for name, one in questions.items()},
        "reason": questions["draws"]["reason"],
    }


def _drawn(fit: Fit, seed: int) -> dict[str, Tensor]:
    """Draws of a guide: site -> (40,000, numbers), float64."""
    args = tuple(fit.task.scoring_args("train"))
    parts: dict[str, list[Tensor]] = {}
    with isolated(seed=seed + 1), torch.no_grad():
        for _ in range(SAMPLES // AT_ONCE):
            for name, value in draw(fit.program, args, AT_ONCE).latents.items():
                parts.setdefault(name, []).append(value.reshape(AT_ONCE, -1).double())
    return {name: torch.cat(each) for name, each in parts.items()}


def errors(drawn: dict[str, Tensor], truth: Truth) -> Row:
    """Errors of means and sds over all coordinates: the largest, and the root mean square."""
    drawn = with_logs(drawn, truth.logs)
    names = [name for name in truth.moments if name in drawn]
    pairs = [truth.sized(name) for name in names]
    mean = torch.cat([(drawn[n].mean(0) - m) / s for n, (m, s) in zip(names, pairs, strict=True)])
    sd = torch.cat([drawn[n].std(0) / s - 1 for n, (_, s) in zip(names, pairs, strict=True)])
    return {
        "mean_worst": float(mean.abs().max()),
        "mean_rms": float(mean.square().mean().sqrt()),
        "sd_worst": float(sd.abs().max()),
        "sd_rms": float(sd.square().mean().sqrt()),
    }


def _pictured(fit: Fit, seed: int) -> Row:
    """Draws of a guide in the plane, for the picture: of seed 0, rounded."""
    sites = fit.latents.sites
    bounded = any(site.base_support is not constraints.real for site in sites)
    if seed or bounded or sum(site.size for site in sites) != 2:
        return {}
    args = tuple(fit.task.scoring_args("train"))
    with isolated(seed=seed + 2), torch.no_grad():
        found = draw(fit.program, args, PICTURED).latents
    plane = torch.cat([value.reshape(PICTURED, -1) for value in found.values()], 1)
    return {"plane": [[round(x, 2) for x in pair] for pair in plane.tolist()]}


def is_wrong(row: Row) -> bool:
    """Is a mean or an sd of the fit off by more than the verdict allows, in any coordinate?"""
    return not (row["mean_worst"] <= MEAN_OFF and row["sd_worst"] <= SD_OFF)


def is_judged(row: Row) -> bool:
    """Was it fitted, and is the truth known?"""
    return "mean_worst" in row


def says_well(row: Row) -> bool:
    """Does the verdict trust the guide's draws?"""
    return bool(row["verdict"]["draws"] == "yes")
