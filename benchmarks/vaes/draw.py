"""Does DRAW gain by more steps, with and without attention? The same number of updates for all.

    python -m benchmarks.vaes.draw              # digits, minutes
    python -m benchmarks.vaes.draw mnist        # statically binarized MNIST, about an hour

T steps of drawing, several seeds: the ELBO and log p(x) of test rows, and a picture of what the
canvas shows after every step. The runs are short: they compare the models with each other, and do
not reach what long training gives. On MNIST, Gregor et al. (2015) have an ELBO of -80.97 nats with
T = 64; here T is 1, 4 and 8, and training 8 epochs.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks import markdown, records
from zoo.figure_style import MARKERS, PALETTE, in_style, legend_above, save_figure
from zoo.isolation import isolated
from zoo.sampling.draws import draw_prior

MODELS = {"draw": "without attention", "draw_attention": "with attention"}
METRICS = ("elbo", "log_evidence", "k_hat")
ROWS = 6  # of the picture of canvases
SPREAD = 0.15  # of the seeds along the axis of T


@dataclass(frozen=True)
class Setting:
    """What is trained, and for how long.

    Attributes:
        data: name of the data set.
        steps: numbers T of steps of drawing.
        latent: latents of each step.
        window: N: with attention, the guide reads through N x N filters.
        updates: gradient steps.
        lr: learning rate.
        batch_size: rows of a step, or "auto".
        draws: importance draws for each test row; k-hat needs more of them than 20.
        seeds: as many fits of each.
        published: ELBO of long training with T = 64, nats, or None.
        stem: of the record and the pictures.
    """

    data: str
    steps: tuple[int, ...]
    latent: int
    window: int
    updates: int
    lr: float
    batch_size: int | str
    draws: int
    seeds: int
    published: float | None
    stem: str


SETTINGS = {
    "digits": Setting("digits", (1, 2, 4), 5, 2, 400, 3e-3, "auto", 100, 3, None, "draw"),
    "mnist": Setting(
        "binarized_mnist", (1, 4, 8), 20, 5, 4000, 1e-3, 100, 20, 2, -80.97, "draw_mnist"
    ),
}


def run(setting: Setting, model: str, steps: int, seed: int) -> tuple[dict, zoo.Fit]:
    """Trains and scores one model; returns its record and the fit."""
    task = zoo.load(model, data=setting.data, groups=(setting.latent,) * steps)
    guide = partial(guides.Recurrent, window=setting.window)
    fit = zoo.fit(
        task,
        guide,
        steps=setting.updates,
        lr=setting.lr,
        batch_size=setting.batch_size,
        seed=seed,
        compile=False,
        progress=True,
    )
    found = zoo.evaluate(fit, draws=setting.draws, metrics=list(METRICS), seed=seed)
    record = {
        "model": model,
        "steps": steps,
        "seed": seed,
        "metrics": {name: [metric.value, metric.se] for name, metric in found.items()},
        "seconds": fit.seconds,
    }
    return record, fit


@torch.no_grad()
def canvases(fit: zoo.Fit) -> Tensor:
    """What the canvas shows after each step of some draws from the prior: (rows, T, pixels)."""
    with isolated(seed=0):
        drawn = draw_prior(fit.program, fit.task.split("test"), rows=ROWS)
    z = [drawn[name] for name in fit.latents.names]
    return torch.stack([fit.model.mean(*z[: t + 1]) for t in range(len(z))], dim=1)


def table(record: dict) -> str:
    """A line for each model and number of steps, means over seeds; then what was published."""
    lines = []
    lengths = sorted({one["steps"] for one in record["runs"]})
    for (model, name), steps in ((m, t) for m in MODELS.items() for t in lengths):
        own = [r for r in record["runs"] if (r["model"], r["steps"]) == (model, steps)]
        if own:
            cells = [shown([one["metrics"][each] for one in own]) for each in METRICS[:2]]
            tails = [one["metrics"]["k_hat"][0] for one in own if "k_hat" in one["metrics"]]
            k_hat = f"{mean(tails):.2f}" if tails else "-"
            lines.append([name, str(steps), *cells, k_hat, str(len(own))])
    published = record["settings"].get("published")
    if published is not None:
        lines.append(["published, with attention", "64", f"{published:.2f}", "-", "-", "-"])
    return markdown.table(("DRAW", "T", "ELBO", "log p(x)", "k-hat", "seeds"), lines)


def shown(metrics: Sequence[Sequence[float]]) -> str:
    """The mean over seeds, and its error: that over seeds and that of the draws."""
    values, errors = zip(*metrics, strict=True)
    over_seeds = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    return f"{mean(values):.2f} ± {math.sqrt(over_seeds + mean(e**2 for e in errors)):.2f}"


@in_style
def picture(record: dict, path: Path) -> None:
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
    lengths = sorted({one["steps"] for one in record["runs"]})
    axis.set(xlabel="steps of drawing T", ylabel="ELBO, nats/row", xticks=lengths)
    axis.grid(axis="y")
    legend_above(shape, [axis])
    save_figure(shape, path)


@in_style
def canvas_picture(images: dict[str, Tensor], size: tuple[int, int], path: Path) -> None:
    """Samples of each model, a row each, as the canvas shows them after every step."""
    shape, axes = plt.subplots(1, len(images), figsize=(8, 3.4), layout="constrained")
    for axis, (model, shown_) in zip(axes, images.items(), strict=True):
        tiles = shown_.flatten(0, 1).reshape(-1, 1, *size).float()
        grid = make_grid(tiles, nrow=shown_.shape[1], pad_value=0.5, padding=1)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(title=f"{MODELS[model]}: t = 1, ..., {shown_.shape[1]}", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    save_figure(shape, path)


def main() -> None:
    """Runs all, prints a line each, writes the record and the pictures after every seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", choices=list(SETTINGS), default="digits")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--seeds", type=int)
    asked = parser.parse_args()
    setting = SETTINGS[asked.data]
    out = asked.out or records.RESULTS / f"{setting.stem}.json"
    path = asked.picture or records.DOCS / f"{setting.stem}.png"
    data = zoo.load("draw", data=setting.data).data
    about, runs, images = records.made_now(data), [], {}
    for seed in range(asked.seeds or setting.seeds):
        for steps in setting.steps:
            for model in MODELS:
                record, fit = run(setting, model, steps, seed)
                runs.append(record)
                print(json.dumps(record), flush=True)
                if steps == max(setting.steps) and seed == 0:
                    images[model] = canvases(fit)
        record = {"provenance": about, "settings": asdict(setting), "runs": runs}
        records.write(out, record)
        picture(record, path)
        canvas_picture(images, data.image, path.with_stem(f"{path.stem}_canvas"))
    print(table(record))


if __name__ == "__main__":
    main()
