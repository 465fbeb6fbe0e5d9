"""Does DRAW gain by more steps, with and without attention? Digits, the same number of updates.

    python -m benchmarks.vaes.draw --out benchmarks/results/draw.json

T = 1, 2, 4 steps of drawing with five latents each, several seeds: the ELBO and log p(x) of test
rows, and a picture of what the canvas shows after every step. The runs are short: they compare the
models with each other, and do not reach what long training gives.
"""

import argparse
import json
import math
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks import markdown, records
from zoo.figure_style import MARKERS, PALETTE, in_style, legend_above, save_figure
from zoo.isolation import isolated
from zoo.sampling.draws import draw_prior

STEPS, LATENT = (1, 2, 4), 5
MODELS = {"draw": "without attention", "draw_attention": "with attention"}
SETTINGS = {"updates": 400, "lr": 3e-3, "draws": 100}
METRICS = ("elbo", "log_evidence", "k_hat")
ROWS = 6  # of the picture of canvases
SPREAD = 0.15  # of the seeds along the axis of T


def run(model, steps, seed):
    """Trains and scores one model; returns its record and the fit."""
    task = zoo.load(model, groups=(LATENT,) * steps)
    settings = {"steps": SETTINGS["updates"], "lr": SETTINGS["lr"], "seed": seed}
    fit = zoo.fit(task, guides.Recurrent, compile=False, progress=True, **settings)
    found = zoo.evaluate(fit, draws=SETTINGS["draws"], metrics=list(METRICS), seed=seed)
    record = {
        "model": model,
        "steps": steps,
        "seed": seed,
        "metrics": {name: [metric.value, metric.se] for name, metric in found.items()},
        "seconds": fit.seconds,
    }
    return record, fit


@torch.no_grad()
def canvases(fit):
    """What the canvas shows after each step of some draws from the prior: (rows, T, pixels)."""
    with isolated(seed=0):
        drawn = draw_prior(fit.program, fit.task.split("test"), rows=ROWS)
    z = [drawn[name] for name in fit.latents.names]
    return torch.stack([fit.model.mean(*z[: t + 1]) for t in range(len(z))], dim=1)


def table(record):
    """A line for each model and number of steps: means over seeds."""
    lines = []
    for (model, name), steps in ((m, t) for m in MODELS.items() for t in STEPS):
        own = [r for r in record["runs"] if (r["model"], r["steps"]) == (model, steps)]
        if own:
            cells = [shown([one["metrics"][each] for one in own]) for each in METRICS[:2]]
            k_hat = f"{mean(one['metrics']['k_hat'][0] for one in own):.2f}"
            lines.append([name, str(steps), *cells, k_hat, str(len(own))])
    return markdown.table(("DRAW", "T", "ELBO", "log p(x)", "k-hat", "seeds"), lines)


def shown(metrics):
    """The mean over seeds, and its error: that over seeds and that of the draws."""
    values, errors = zip(*metrics, strict=True)
    over_seeds = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    return f"{mean(values):.2f} ± {math.sqrt(over_seeds + mean(e**2 for e in errors)):.2f}"


@in_style
def picture(record, path):
    """The ELBO of every seed against the number of steps, with and without attention."""
    shape, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for colour, (model, name) in zip(PALETTE, MODELS.items(), strict=False):
        own = [one for one in record["runs"] if one["model"] == model]
        for seed in sorted({one["seed"] for one in own}):
            runs = [one for one in own if one["seed"] == seed]
            values, errors = zip(*(one["metrics"]["elbo"] for one in runs), strict=True)
            axis.errorbar(
                [one["steps"] + SPREAD * (seed - 1) for one in runs],
                values,
                [2 * error for error in errors],
                color=colour,
                fmt=MARKERS[seed],
                label=f"{name}, seed {seed}",
            )
    axis.set(xlabel="steps of drawing T", ylabel="ELBO, nats/row", xticks=list(STEPS))
    axis.grid(axis="y")
    legend_above(shape, [axis])
    save_figure(shape, path)


@in_style
def canvas_picture(images, path):
    """Samples of each model, a row each, as the canvas shows them after every step."""
    shape, axes = plt.subplots(1, len(images), figsize=(8, 3.4), layout="constrained")
    for axis, (model, shown_) in zip(axes, images.items(), strict=True):
        tiles = shown_.flatten(0, 1).reshape(-1, 1, 8, 8).float()
        grid = make_grid(tiles, nrow=shown_.shape[1], pad_value=0.5, padding=1)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(title=f"{MODELS[model]}: t = 1, ..., {shown_.shape[1]}", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    save_figure(shape, path)


def main() -> None:
    """Runs all, prints a line each, writes the record and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS / "draw.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "draw.png")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    about, runs, images = records.made_now(zoo.load("draw").data), [], {}
    for seed in range(asked.seeds):
        for steps in STEPS:
            for model in MODELS:
                record, fit = run(model, steps, seed)
                runs.append(record)
                print(json.dumps(record), flush=True)
                if steps == max(STEPS) and seed == 0:
                    images[model] = canvases(fit)
        settings = SETTINGS | {"latent": LATENT}
        record = {"provenance": about, "settings": settings, "runs": runs}
        records.write(asked.out, record)
        picture(record, asked.picture)
        canvas_picture(images, asked.picture.with_stem(f"{asked.picture.stem}_canvas"))
    print(table(record))


if __name__ == "__main__":
    main()
