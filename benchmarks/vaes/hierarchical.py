"""Does log p(x) improve with the number of groups of a hierarchical VAE?

    python -m benchmarks.vaes.hierarchical --out benchmarks/results/hierarchical.json

L = 1, 2, 3 groups on dynamically binarized Fashion-MNIST under the top-down guide: the same rows,
steps and learning rate, the same width, 32 latents in all. Importance-sampled log p of test rows
with its standard error, KL of every group, and a picture. The runs are short: they compare the
models, and do not reach what long training gives.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks import records
from zoo.evaluation.latent_usage import latent_usage
from zoo.figure_style import MARKERS, PALETTE, in_style, legend_above, save_figure
from zoo.isolation import isolated
from zoo.optim.schedules import Linear
from zoo.sampling.draws import draw_prior

GROUPS = {1: (32,), 2: (12, 20), 3: (6, 10, 16)}
SETTINGS = {"train_rows": 20_000, "test_rows": 300, "draws": 500, "steps": 3000, "lr": 1e-3}
NAMES = {"log_evidence": "log p(x)", "elbo": "ELBO"}
WARM_UP = 1000  # steps until the KL term counts in full


def run(levels, seed):
    """Trains and scores one model; returns its record and pictures sampled from it."""
    task = task_of(levels)
    result = zoo.fit(
        task,
        guides.TopDown,
        steps=SETTINGS["steps"],
        lr=SETTINGS["lr"],
        kl_weight=Linear(0.0, 1.0, WARM_UP),
        seed=seed,
        device="cpu",
        compile=True,
        progress=True,
    )
    started = time.perf_counter()
    found = zoo.evaluate(
        result, draws=SETTINGS["draws"], metrics=["elbo", "log_evidence", "k_hat"]
    )
    health = latent_usage(result.program, task.split("test"), rows=100)
    record = {
        "levels": levels,
        "seed": seed,
        "metrics": {name: [metric.value, metric.se] for name, metric in found.items()},
        "kl": {name: [site.kl.value, site.kl.se] for name, site in health.sites.items()},
        "active": {name: site.active.value for name, site in health.sites.items()},
        "verdict": health.verdict,
        "seconds": [result.seconds, time.perf_counter() - started],
        "backend": result.backend,
    }
    return record, pictures(result, task)


def task_of(levels):
    """The model with so many groups on the first train and test rows."""
    task = zoo.load("hvae", data="fashion_mnist", binarize="dynamic", groups=GROUPS[levels])
    data = task.data
    (x,), (test,) = data.train, data.test
    some = replace(
        data, train=(x[: SETTINGS["train_rows"]],), test=(test[: SETTINGS["test_rows"]],)
    )
    return replace(task, data=some)


@torch.no_grad()
def pictures(result, task, count=16):
    """Expected pictures of draws from the prior."""
    with isolated(seed=0):
        drawn = draw_prior(result.program, task.split("test"), rows=count)
    return result.model.mean(*(drawn[name] for name in result.latents.names))


@in_style
def picture(runs, path):
    """Log p and the ELBO of every run against the number of groups."""
    picture, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    seeds = sorted({record["seed"] for record in runs})
    for axis, (metric, label) in zip(axes, NAMES.items(), strict=True):
        for seed in seeds:
            own = [record for record in runs if record["seed"] == seed]
            values, errors = zip(*(record["metrics"][metric] for record in own), strict=True)
            shift = 0.12 * (seeds.index(seed) - (len(seeds) - 1) / 2)
            axis.errorbar(
                [record["levels"] + shift for record in own],
                values,
                [2 * error for error in errors],
                color=PALETTE[seed],
                fmt=MARKERS[seed],
                label=f"seed {seed}, ± 2 Monte Carlo errors",
            )
        axis.set(xlabel="groups of latents L", ylabel=f"{label}, nats/row", xticks=list(GROUPS))
        axis.set_xlim(min(GROUPS) - 0.5, max(GROUPS) + 0.5)
        axis.grid(axis="y")
    legend_above(picture, axes)
    save_figure(picture, path)


@in_style
def sample_picture(samples, path):
    """Samples from the model with each number of groups."""
    picture, axes = plt.subplots(1, len(samples), figsize=(8, 3), layout="constrained")
    for axis, (levels, images) in zip(axes, samples.items(), strict=True):
        grid = make_grid(images.reshape(-1, 1, 28, 28).float(), nrow=4, pad_value=0.5)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(title=f"samples, L = {levels}", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    save_figure(picture, path)


def main() -> None:
    """Runs all, prints a line each, writes the record and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS / "hierarchical.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "hvae.png")
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    runs, samples = [], {}
    for seed in range(asked.seeds):
        for levels in GROUPS:
            record, images = run(levels, seed)
            runs.append(record)
            samples.setdefault(levels, images)
            print(json.dumps(record), flush=True)
            write(asked.out, runs)
    picture(runs, asked.picture)
    sample_picture(samples, asked.picture.with_stem(f"{asked.picture.stem}_samples"))


def write(path, runs):
    """Writes all runs so far: a later one may fail."""
    settings = SETTINGS | {"groups": {str(k): v for k, v in GROUPS.items()}, "warm_up": WARM_UP}
    about = records.made_now(task_of(1).data)
    records.write(path, {"provenance": about, "settings": settings, "runs": runs})


if __name__ == "__main__":
    main()
