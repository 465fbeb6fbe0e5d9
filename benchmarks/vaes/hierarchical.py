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
from zoo.isolation import isolated
from zoo.optim.schedules import Linear
from zoo.sampling.draws import draw_prior

GROUPS = {1: (32,), 2: (12, 20), 3: (6, 10, 16)}
SETTINGS = {"train_rows": 20_000, "test_rows": 300, "draws": 500, "steps": 3000, "lr": 1e-3}
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


def picture(runs, samples, path):
    """Log p against the number of groups, and samples from each model."""
    picture, axes = plt.subplots(1, 1 + len(samples), figsize=(13, 3.4), layout="constrained")
    for record in runs:
        value, se = record["metrics"]["log_evidence"]
        place = record["levels"] + 0.06 * (record["seed"] - 0.5)
        axes[0].errorbar(place, value, 1.96 * se, fmt="o", color=f"C{record['seed']}", capsize=3)
    axes[0].set(xlabel="groups of latents L", ylabel="log p(x), nats/row", xticks=list(GROUPS))
    axes[0].set_title("test rows, 95% Monte Carlo error, a colour a seed", fontsize="small")
    for axis, (levels, images) in zip(axes[1:], samples.items(), strict=True):
        grid = make_grid(images.reshape(-1, 1, 28, 28).float(), nrow=4, pad_value=0.5)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set(title=f"samples, L = {levels}", xticks=[], yticks=[])
    picture.savefig(path, dpi=100)
    plt.close(picture)


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
    picture(runs, samples, asked.picture)


def write(path, runs):
    """Writes all runs so far: a later one may fail."""
    settings = SETTINGS | {"groups": {str(k): v for k, v in GROUPS.items()}, "warm_up": WARM_UP}
    about = records.made_now(task_of(1).data)
    records.write(path, {"provenance": about, "settings": settings, "runs": runs})


if __name__ == "__main__":
    main()
