"""Wake-sleep beside direct ascent of the ELBO on a Helmholtz machine, by exact log p(x).

A sigmoid belief net of 4 and 8 units on digits, its recognition network layer by layer. The exact
log p(x) of 200 test rows is a sum over 2^12 states. At the start what the model simulates looks
nothing like the data, and what wake-sleep teaches the recognition network is of little use there.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import guides
import zoo
from benchmarks import markdown
from zoo.figure_style import Look, in_style, legend_above, looks, save_figure
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import LeaveOneOut, ReweightedWakeSleep, WakeSleep

LAYERS = (4, 8)
OBJECTIVES = {
    "rloo 5": LeaveOneOut(5),
    "rws 5": ReweightedWakeSleep(5),
    "wake_sleep 5": WakeSleep(5),
}
STOPS = (25, 50, 100, 200, 400, 800, 1600)
SEEDS, ROWS, LR, BATCH = 2, 200, 3e-3, 64


def run() -> Iterator[dict]:
    """A record that grows by one seed at a time."""
    usual = zoo.load("sigmoid_belief")
    task = replace(usual, build=lambda: SigmoidBeliefNet(usual.data.features, LAYERS))
    x = task.split("test")[0][:ROWS]
    settings = {"layers": LAYERS, "rows": len(x), "lr": LR, "batch": BATCH, "stops": STOPS}
    rows = []
    for seed in range(SEEDS):
        for name, objective in OBJECTIVES.items():
            rows.append({"objective": name, "seed": seed} | _fit(task, objective, seed, x))
            print(name, seed, rows[-1]["log_p"], flush=True)
        yield {"settings": settings, "rows": rows, "task": task}


def _fit(task: zoo.Task, objective: object, seed: int, x: torch.Tensor) -> dict:
    fit, log_p = None, []
    for stop in STOPS:
        fit = zoo.fit(
            task,
            guides.AmortisedLayers,
            objective=objective,
            steps=stop,
            lr=LR,
            batch_size=BATCH,
            seed=seed,
            device="cpu",
            compile=False,
            resume=fit,
        )
        with torch.no_grad():
            log_p.append(float(fit.model.log_evidence(x).mean()))
    return {"log_p": log_p, "seconds": fit.seconds}


def curves(record: dict) -> dict[str, np.ndarray]:
    """Objective -> log p(x) of every seed and stop, nats a row, shape (seeds, stops)."""
    names = dict.fromkeys(row["objective"] for row in record["rows"])
    return {
        n: np.array([r["log_p"] for r in record["rows"] if r["objective"] == n]) for n in names
    }


def table(record: dict) -> str:
    """Mean over seeds with its standard error, and how far each is behind rloo."""
    found, stops = curves(record), record["settings"]["stops"]
    heads = ["objective", *(f"{stop} steps" for stop in stops)]
    rows = [_cells(name, values, "{:.2f}") for name, values in found.items()]
    rows += [
        _cells(f"{name} less rloo 5", found[name] - found["rloo 5"], "{:+.2f}")
        for name in list(found)[1:]
    ]
    note = f"Nats a test row; ± is the standard error over {len(found['rloo 5'])} seeds."
    return f"{markdown.table(heads, rows)}\n\n{note}"


def _cells(name: str, values: np.ndarray, shown: str) -> list[str]:
    errors = values.std(0, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0 * values[0]
    pairs = zip(values.mean(0), errors, strict=True)
    return [name, *(f"{shown.format(mean)} ± {error:.2f}" for mean, error in pairs)]


@in_style
def picture(record: dict, path: Path) -> None:
    """Exact log p(x) over steps, and how far it is behind rloo; bands: the range of the seeds."""
    stops, found = record["settings"]["stops"], curves(record)
    look = looks(found)
    drawn, axes = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    for name, values in found.items():
        _curve(axes[0], stops, values, name, look[name])
        _curve(axes[1], stops, values - found["rloo 5"], name, look[name])
    axes[0].set(xlabel="steps", ylabel="exact log p(x), nats a test row", xscale="log")
    axes[1].set(xlabel="steps", ylabel="less rloo's of the same seed, nats", xscale="log")
    legend_above(drawn, axes, title=f"mean of {len(values)} seeds; shaded: lowest to highest")
    save_figure(drawn, path)


def _curve(axis: plt.Axes, stops: list[int], values: np.ndarray, name: str, look: Look) -> None:
    axis.plot(stops, values.mean(0), ms=4, label=name, **look.keywords)
    axis.fill_between(stops, values.min(0), values.max(0), color=look.colour, alpha=0.2, lw=0)
