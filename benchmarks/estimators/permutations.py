"""What gradients of a latent permutation cost, and how near guides come to its posterior.

    python -m benchmarks.estimators.permutations
    python -m benchmarks.estimators.permutations --fits    # those that the file lacks

writes benchmarks/results/permutations.json and docs/permutations.png.

Five things are measured in an unknown order, so that a sum over 120 permutations gives the exact
gradient of the ELBO, and the exact posterior of every row. Score-function estimators are measured
under two guides; Gumbel-Sinkhorn and its straight-through form have the parameters of the second,
the matching guide. `kl` takes the KL between permutations, `noise` that of the noisy scores.
"""

import argparse
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from pyro import poutine
from torch.distributions import kl_divergence

import guides
import zoo
from benchmarks import markdown, records
from zoo.figure_style import in_style, looks, save_figure
from zoo.gradients.estimator import Estimator
from zoo.isolation import isolated
from zoo.metrics.means import mean_error
from zoo.objectives import MeanFieldKL, Trace

TEMPERATURES = (0.2, 0.5, 1.0)
SETTINGS = {"rows": 4, "steps": 500, "tune": 100, "training": "rloo", "seed": 0, "at": "trained"}
SCORES = ("reinforce", "nvil", "rloo", "vimco")
STRAIGHT = partial(guides.GumbelSinkhorn, straight_through=True)
RELAXED = [
    Estimator("gumbel_sinkhorn, kl", MeanFieldKL(), guides.GumbelSinkhorn),
    Estimator("gumbel_sinkhorn, noise", Trace(), guides.GumbelSinkhorn),
    Estimator("straight_through, kl", MeanFieldKL(), STRAIGHT),
]
FITS = {  # guide and objective of the fits that are held against the posterior
    "amortised_matching": "rloo",
    "amortised_plackett_luce": "rloo",
    "amortised_mallows": "rloo",
    "gumbel_sinkhorn": "mean_field",
    "gumbel_sinkhorn, noise": "trace",
    "sinkhorn_straight_through": "mean_field",
}
FAR = 100.0  # relative bias beyond which an estimator is not drawn
STEPS, SEEDS = 500, 5


def gradients(draws: int) -> list[dict]:
    """Every estimator at the same trained parameters of its guide."""
    task, found = zoo.load("latent_permutation"), []
    for name, estimators in (
        ("amortised_plackett_luce", SCORES),
        ("amortised_matching", (*SCORES, *RELAXED)),
    ):
        measured = zoo.measure_gradients(
            task,
            guides.guide_named(name),
            list(estimators),
            draws=draws,
            temperatures=TEMPERATURES,
            **SETTINGS,
        )
        found += [{"guide": name} | asdict(row) for row in measured.rows]
    return found


def recovered(name: str, seed: int) -> dict:
    """KL(q || posterior) of a fit, mean over test rows, under its own trained model."""
    task = zoo.load("latent_permutation", seed=seed)
    family, objective = guides.guide_named(name.split(",")[0]), FITS[name]
    fit = zoo.fit(task, family, objective=objective, steps=STEPS, seed=seed, progress=False)
    (x,) = task.split("test")
    with torch.no_grad(), isolated(seed=0):
        q = poutine.trace(fit.guide.eval()).get_trace(x).nodes["pi"]["fn"]
        kl = kl_divergence(q, fit.model.posterior(x)["pi"])
        evidence = fit.model.log_evidence(x)
    return {"guide": name, "objective": objective, "seed": seed} | {
        "kl": float(kl.mean()),
        "se": mean_error(kl),
        "log_evidence": float(evidence.mean()),
    }


def named(row: dict) -> str:
    """What was measured, and under which guide."""
    tau = "" if row["temperature"] is None else f" {row['temperature']:g}"
    return f"{row['guide']} | {row['objective']}{tau}"


def fit_table(record: dict) -> str:
    """KL of each guide, mean and range over seeds."""
    rows = []
    for name, objective in FITS.items():
        found = [row for row in record["fits"] if row["guide"] == name]
        kl = torch.tensor([row["kl"] for row in found])
        evidence = torch.tensor([row["log_evidence"] for row in found])
        span = f"{kl.min():.3f} to {kl.max():.3f}"
        rows.append([name, objective, f"{kl.mean():.3f}", span, f"{evidence.mean():.2f}"])
    return markdown.table(("guide", "objective", "KL, nats/row", "over seeds", "log p(x)"), rows)


def table(record: dict) -> str:
    """Bias and variance of the encoder's gradient, then the fits."""
    rows = [
        [
            row["guide"],
            row["objective"],
            "-" if row["temperature"] is None else f"{row['temperature']:g}",
            f"{row['bias']['relative']:.2g} ± {row['bias']['relative_se']:.1g}",
            f"{row['variance']['encoder']['value']:.3g} ± {row['variance']['encoder']['se']:.1g}",
            str(row["evaluations"]),
        ]
        for row in record["rows"]
    ]
    names = ("guide", "estimator", "temperature", "relative bias", "variance, encoder", "f")
    return f"{markdown.table(names, rows)}\n\n{fit_table(record)}"


@in_style
def picture(record: dict, path: Path) -> None:
    """Variance over relative bias, and fits: their KL over what the model learned. Bars: 2 errors.

    Estimators whose bias is beyond every scale are left to the table.
    """
    drawn, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    shown = [row for row in record["rows"] if row["bias"]["relative"] < FAR]
    names = list(dict.fromkeys(f"{r['objective']} | {r['guide']}" for r in shown))
    known = looks(names)
    for name in names:
        rows = [r for r in shown if f"{r['objective']} | {r['guide']}" == name]
        x = [r["bias"]["relative"] for r in rows]
        y = [r["variance"]["encoder"]["value"] for r in rows]
        noise = [2 * r["bias"]["relative_se"] for r in rows]
        objective, guide = name.split(" | ")
        short = guide.removeprefix("amortised_").replace("_", "-")
        relaxed = rows[0]["temperature"] is not None
        label = objective if relaxed else f"{objective}, {short}"
        style = known[name].keywords | {"linestyle": "-" if relaxed else "none"}
        left.errorbar(x, y, xerr=noise, label=label, **style)
    left.set(yscale="log", ylabel="variance, (nats per unit)²")
    left.set_xlabel("bias, of the exact gradient's norm")
    left.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    fits = looks([f"{name}: {objective}" for name, objective in FITS.items()])
    for name, look in fits.items():
        rows = [r for r in record["fits"] if f"{r['guide']}: {r['objective']}" == name]
        points = [[row[axis] for row in rows] for axis in ("log_evidence", "kl")]
        right.plot(*points, label=name, **look.keywords | {"linestyle": "none"})
    right.set(yscale="log", ylabel="KL(q || posterior), nats/row")
    right.set_xlabel("log p(x) of the model, nats/row; a point a seed")
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    save_figure(drawn, path)


def measured(draws: int, seeds: int) -> dict:
    """The record without fits."""
    begin = time.perf_counter()
    return {
        "device": "cpu",
        "settings": SETTINGS | {"draws": draws, "fit_steps": STEPS, "seeds": seeds},
        "units": {"variance": "(nats per unit)^2", "bias": "of the exact gradient's norm"},
        "rows": gradients(draws),
        "seconds": time.perf_counter() - begin,
        "fits": [],
    }


def main() -> None:
    """Measures, prints, draws, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=records.RESULTS / "permutations.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "permutations.png")
    parser.add_argument("--fits", action="store_true", help="of guides that the file lacks")
    asked = parser.parse_args()
    made = records.made_now(zoo.load("latent_permutation").data)
    record = records.read(asked.out) if asked.fits else made | measured(asked.draws, asked.seeds)
    there = {row["guide"] for row in record["fits"]}
    stamp = {key: made[key] for key in ("date", "commit")}
    for name in FITS:
        if name not in there:
            record["fits"] += [recovered(name, seed) | stamp for seed in range(asked.seeds)]
    print(table(record))
    records.write(asked.out, record)
    picture(record, asked.picture)


if __name__ == "__main__":
    main()
