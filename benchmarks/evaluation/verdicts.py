"""Is the verdict right? Random small fits, some spoilt on purpose, against known posteriors.

    python -m benchmarks.evaluation.verdicts --out benchmarks/results/verdicts.json
    python -m benchmarks.pages.verdicts         # docs/verdict.md, from the JSON

A run that was cut short goes on where its file ends. Called again when it is whole, it judges the
fits again by today's rules, and notes the day; each row names the commit that it was fitted at.

A fit is wrong where a mean is off by more than 0.2 posterior sds or an sd by more than 25 %, in
any coordinate; else it is right. What the verdict says of the guide's draws is set against that.
The seeds from UNSEEN on had no part in the choice of the verdict's limits and rules. A rule that
is changed for one of their fits takes them out: then UNSEEN moves on.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from pyro.infer.autoguide import AutoDelta, AutoMultivariateNormal, AutoNormal
from torch.nn.functional import softplus

import guides
import zoo
from benchmarks import markdown, records
from benchmarks.evaluation.verdict_problems import FAMILIES
from benchmarks.evaluation.verdict_truths import Problem, uniform, whole
from zoo.evaluation.evaluate import Metrics, as_numbers
from zoo.evaluation.verdict import verdict
from zoo.isolation import isolated
from zoo.metrics import Metric
from zoo.metrics.moment_shift import MEAN_OFF, SD_OFF
from zoo.metrics.shares import share_error
from zoo.provenance import provenance
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.training.divergence import DivergenceError

UNSEEN, ROWS = 1300, 300  # first seed of the table, and how many
SAMPLES = 40_000  # draws behind a guide's own moments
GUIDES = {
    "mean_field": guides.MeanField,
    "full_rank": guides.FullRank,
    "iaf": guides.IAF,
    "auto_normal": AutoNormal,
    "auto_full_rank": AutoMultivariateNormal,
    "auto_delta": AutoDelta,
}
METRICS = ("weights", "psis", "from_prior", "convergence")
ANSWERS = ("yes", "cannot tell", "no")
KINDS = ("none", "early", "small_lr", "large_lr", "shift", "scale", "other_data")


def one(seed: int) -> dict:
    """One random fit with its metrics, its verdict and its true errors."""
    g = torch.Generator().manual_seed(seed)
    family = list(FAMILIES)[whole(g, 0, len(FAMILIES) - 1)]
    problem = FAMILIES[family](g)
    kind = "none" if uniform(g, 0, 1) < 0.55 else KINDS[whole(g, 1, len(KINDS) - 1)]
    guide, fault = _guide(g, kind, problem), {"kind": kind, "size": 0.0}
    started = time.perf_counter()
    fit, fault["size"] = fitted(problem, guide, kind, g, seed)
    trained = time.perf_counter()
    mean, sd = true_errors(fit, problem, seed)
    metrics = zoo.evaluate(fit, metrics=METRICS, seed=seed)
    return {
        "seed": seed,
        "family": family,
        "guide": guide,
        "fault": fault,
        "steps": len(fit.losses),
        "mean_error": mean,
        "sd_error": sd,
        "draws": metrics.draws,
        "metrics": as_numbers(metrics),
        "skipped": metrics.skipped,
        "commit": provenance(fit.task.data)["commit"],
        "fit_seconds": trained - started,
        "evaluation_seconds": time.perf_counter() - trained,
    } | said(metrics)


def said(metrics: Metrics) -> dict:
    """What the verdict says: question -> answer and reason."""
    return {"verdict": metrics.answers.questions}


def _guide(g: torch.Generator, kind: str, problem: Problem) -> str:
    """The name of a random guide that suits the problem; AutoDelta is half as likely as others."""
    if kind in ("shift", "scale"):
        return "mean_field"
    size = sum(len(mean) for mean, _ in problem.truth.values())
    names = [name for name in GUIDES if name != "iaf" or size > 1]
    return names[whole(g, 0, 2 * len(names) - 2) // 2]


def fitted(
    problem: Problem, guide: str, kind: str, g: torch.Generator, seed: int
) -> tuple[Fit, float]:
    """The fit and how large its fault is: steps, rate, sds of a shift or factor of a scale."""
    steps, lr, size = 400, 0.05, 0.0
    if kind == "early":
        steps = size = whole(g, 5, 100)
    if kind in ("small_lr", "large_lr"):
        low, high = (-4, -2.5) if kind == "small_lr" else (-0.7, 0.3)
        lr = size = 10 ** uniform(g, low, high)
    args = problem.other if kind == "other_data" else problem.args
    train = partial(zoo.fit, problem.model, lr_schedule=None, compile=False, seed=seed)
    decayed = zoo.optim.schedules.Linear(1.0, 0.1, steps) if kind == "none" else None
    try:
        fit = train(GUIDES[guide], *args, steps=steps, lr=lr, lr_schedule=decayed)
    except DivergenceError as error:
        fit = error.fit
    if kind == "other_data":
        stale = train(GUIDES[guide], *problem.args, steps=1, lr=1e-30)
        stale.program.load_state_dict(fit.program.state_dict())
        return stale, 0.0
    if kind in ("shift", "scale"):
        size = _spoil(fit, kind, g)
    return fit, float(size)


def _spoil(fit: Fit, kind: str, g: torch.Generator) -> float:
    """Shifts a trained mean-field guide by some of its sds, or scales them."""
    size = uniform(g, 0.05, 1.5) if kind == "shift" else 2 ** uniform(g, -1.5, 1.5)
    with torch.no_grad():
        for loc, scale in zip(fit.guide.loc, fit.guide.unconstrained_scale, strict=True):
            if kind == "shift":
                loc += size * softplus(scale)
            else:
                scale.copy_((softplus(scale) * size).expm1().log())
    return size


def true_errors(fit: Fit, problem: Problem, seed: int) -> tuple[float, float]:
    """Largest error of a mean, in posterior sds, and of an sd, relative, over coordinates."""
    with isolated(seed=seed + 1), torch.no_grad():
        found = draw(fit.program, problem.args, SAMPLES).latents
    means, sds = [], []
    for name, (mean, sd) in problem.truth.items():
        z = found[name].reshape(SAMPLES, -1)
        means.append((z.mean(0) - mean) / sd)
        sds.append(z.std(0) / sd - 1)
    return float(torch.cat(means).abs().max()), float(torch.cat(sds).abs().max())


def is_wrong(row: dict) -> bool:
    return not (row["mean_error"] <= MEAN_OFF and row["sd_error"] <= SD_OFF)


def judged_again(row: dict) -> dict:
    """The row with today's verdict over its metrics."""
    found = {name: Metric(**metric) for name, metric in row["metrics"].items()}
    return row | {
        "verdict": verdict(found, row["draws"], row["skipped"], trains_model=False).questions
    }


def confusion(rows: list[dict], question: str = "draws") -> dict[str, dict[str, int]]:
    """Truth -> answer -> count."""
    table = {truth: dict.fromkeys(ANSWERS, 0) for truth in ("right", "wrong")}
    for row in rows:
        truth = "wrong" if is_wrong(row) else "right"
        table[truth][row["verdict"][question]["answer"]] += 1
    return table


def table(rows: list[dict]) -> str:
    """The confusion of what is said of the draws with the truth, in Markdown."""
    lines = []
    for truth, counts in confusion(rows).items():
        total = sum(counts.values())
        lines.append([truth, str(total), *(_share(count, total) for count in counts.values())])
    return markdown.table(("fit", "fits", *ANSWERS), lines)


def _share(count: int, total: int) -> str:
    if not total:
        return "0"
    return f"{count} ({count / total:.1%} ± {share_error(count / total, total):.1%})"


def by(rows: list[dict], key: str) -> str:
    """For each family, guide or fault: how many fits, wrong ones, and the two kinds of mistake."""
    heads = (key, "fits", "wrong", "yes to a wrong one", "no to a right one", "cannot tell")
    lines = []
    for name in sorted({_named(row, key) for row in rows}):
        counts = confusion([row for row in rows if _named(row, key) == name])
        right, wrong = counts["right"], counts["wrong"]
        silent = right["cannot tell"] + wrong["cannot tell"]
        total, off = sum(right.values()) + sum(wrong.values()), sum(wrong.values())
        lines.append([name, *map(str, (total, off, wrong["yes"], right["no"], silent))])
    return markdown.table(heads, lines)


def _named(row: dict, key: str) -> str:
    return row["fault"]["kind"] if key == "fault" else row[key]


def tables(rows: list[dict]) -> str:
    return "\n\n".join([table(rows), *(by(rows, key) for key in ("family", "guide", "fault"))])


def main() -> None:
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=UNSEEN, help="first seed")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path, help="goes on where that file ends")
    asked = parser.parse_args()
    rows = records.read(asked.out)["rows"] if asked.out and asked.out.exists() else []
    whole = len(rows)
    for longer in _longer(rows, range(asked.first, asked.first + asked.rows)):
        write(longer, asked.out)
        rows = longer
    if asked.out and len(rows) == whole:
        rows = judge_again(asked.out)
    print(tables(rows))


def write(rows: list[dict], out: Path | None) -> None:
    """The rows with how they came about, in JSON; nothing without a file to write to."""
    if out is None:
        return
    record = records.made_now()
    del record["data"]
    record |= {"device": "cpu", "seeds": [row["seed"] for row in rows]}
    records.write(out, record | {"rows": rows})


def judge_again(out: Path) -> list[dict]:
    """The rows by today's rules; the file keeps when they were fitted.

    A row whose answer changes notes the day: it is no longer a test of rules made before it.
    """
    record, today = records.read(out), records.made_now()["date"]
    pairs = [(row, judged_again(row)) for row in record["rows"]]
    rows = [row if row == new else new | {"judged_again": today} for row, new in pairs]
    records.write(out, record | {"rows": rows})
    return rows


def _longer(rows: list[dict], seeds: range) -> Iterator[list[dict]]:
    """The rows after each further fit."""
    done = {row["seed"] for row in rows}
    for seed in [seed for seed in seeds if seed not in done]:
        rows = [*rows, one(seed)]
        last = rows[-1]
        answer, kind = last["verdict"]["draws"]["answer"], last["fault"]["kind"]
        print(
            f"{seed} {last['family']} {last['guide']} {kind}: {answer}, mean off by "
            f"{last['mean_error']:.2f}, sd by {last['sd_error']:.2f}",
            flush=True,
        )
        yield rows


if __name__ == "__main__":
    main()
