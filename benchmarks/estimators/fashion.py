"""Variance of the encoder's gradient on the binary-latent VAE of the published tables.

200 latents, encoder 784-200-200-200 and decoder 200-200-200-784 with LeakyReLU, Fashion-MNIST with
pixels resampled each time, Adam at 3e-4, batches of 100. One fit gives the parameters for all
estimators. At each stop every estimator tunes its own parameters on the same 100 rows, and the
variance of its gradients is measured there.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import guides
import zoo
from benchmarks import markdown
from benchmarks.speed.timing import device
from zoo.device import to_device
from zoo.figure_style import in_style, legend_above, looks, save_figure
from zoo.gradients.fixed_program import GUIDE, build_fixed, parameters_of
from zoo.gradients.moments import moments
from zoo.gradients.sampler import sampler
from zoo.gradients.trajectory import fixed_rows
from zoo.isolation import in_double, isolated
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import ARMS, RELAX, RODEO, DisARM, DoubleControlVariates, LeaveOneOut

ESTIMATORS = {
    "rloo 2": LeaveOneOut(2),
    "disarm": DisARM(),
    "double_cv 2": DoubleControlVariates(2),
    "rodeo 2": RODEO(2),
    "relax": RELAX(),
    "arms 3": ARMS(3),
}
QUOTED = {  # at 1e6 steps, read off a published figure
    "disarm": 1.12e-2,
    "double_cv 2": 1.2e-2,
    "rodeo 2": 1.0e-2,
    "relax": 1.17e-2,
    "arms 3": 0.69e-2,
}
READING = 0.05  # relative error of a ratio of two values read off a figure
STOPS = (1000, 10_000, 100_000)
ROWS, DRAWS, TUNE, WORK = 100, 192, 300, 2**20
SETTINGS = {"rows": ROWS, "draws": DRAWS, "tune": TUNE, "trajectory": "disarm", "seed": 0}


def run(seconds: float = math.inf) -> Iterator[dict]:
    """A record that grows by one stop at a time; no stop begins after so many seconds."""
    begin, rows, fit, bounds = time.perf_counter(), [], None, {}
    task = replace(
        zoo.load("sigmoid_belief", data="fashion_mnist", binarize="dynamic"),
        build=lambda: SigmoidBeliefNet(784, (200,), (200, 200)),
    )
    for stop in STOPS:
        spent = time.perf_counter() - begin
        if fit is not None and spent + (stop - len(fit.losses)) * _pace(fit) > seconds:
            break
        fit = train(task, stop, fit, compile=False, device="cpu")
        bounds[stop] = -float(fit.losses[-250:].mean()) / task.data.rows
        for name, objective in ESTIMATORS.items():
            rows.append({"steps": stop, "estimator": name} | measure(task, fit, objective))
            print(rows[-1], flush=True)
        yield {"settings": SETTINGS, "train_elbo": bounds, "rows": rows, "task": task}


def _pace(fit: zoo.Fit) -> float:
    return fit.seconds / len(fit.losses)


def train(
    task: zoo.Task, steps: int, earlier: "zoo.Fit | Path | None", **settings: object
) -> zoo.Fit:
    """A fit by DisARM, which goes on from an earlier one or its folder."""
    return zoo.fit(
        task,
        guides.AmortisedDiscrete,
        objective=DisARM(),
        steps=steps,
        lr=3e-4,
        batch_size=ROWS,
        resume=earlier,
        **settings,
    )


def measure(
    task: zoo.Task,
    fit: zoo.Fit,
    objective: zoo.objectives.Objective,
    *,
    tune: int = TUNE,
    draws: int = DRAWS,
) -> dict:
    """Variance of the gradient of the rows' mean ELBO, summed over the encoder's parameters."""
    with isolated(seed=1):
        args = to_device(fixed_rows(task, ROWS, 1), device())
    begin = time.perf_counter()
    with isolated(seed=1), in_double():
        values = {
            name: value.to(device(), torch.float64)
            for name, value in parameters_of(fit.program).items()
        }
        one = build_fixed(task, guides.AmortisedDiscrete, objective, args, values)
        one.tune(tune)
        encoder = [p for name, p in one.program.named_parameters() if name.startswith(GUIDE)]
        torch.manual_seed(1)
        draw, _ = sampler(one.program, one.rows, encoder, work=WORK)
        every = torch.arange(sum(p.numel() for p in encoder), device=device())
        found = moments(draw, draws, {"encoder": every})
    parts = found.spread["encoder"] / ROWS**2
    return {
        "evaluations": objective.evaluations(one.program.latents),
        "variance": float(parts.mean()),
        "se": float(parts.std()) / math.sqrt(len(parts)),
        "coordinates": len(every),
        "draws": found.draws,
        "seconds": time.perf_counter() - begin,
    }


def table(record: dict) -> str:
    """Variance of each estimator at the stops, beside the values quoted for 1e6 steps."""
    stops = list(dict.fromkeys(row["steps"] for row in record["rows"]))
    found = {(row["estimator"], row["steps"]): row for row in record["rows"]}
    heads = ["estimator", "evaluations", *(f"{stop} steps" for stop in stops)]
    heads += [f"over disarm's at {stops[-1]}", "quoted, over disarm's", "verdict"]
    rows = []
    for name in ESTIMATORS:
        each = [found[name, stop] for stop in stops]
        cells = [name, str(each[-1]["evaluations"])]
        cells += [f"{one['variance']:.3g} ± {one['se']:.1g}" for one in each]
        value, error = ratio(each[-1], found["disarm", stops[-1]])
        quoted = QUOTED.get(name)
        cells += [f"{value:.2f} ± {error:.2f}"]
        if quoted is None or name == "disarm":
            cells += ["-" if quoted is None else "1.00", "-"]
        else:
            told = quoted / QUOTED["disarm"]
            cells += [f"{told:.2f}", verdict(value, error, told)]
        rows.append(cells)
    return markdown.table(heads, rows)


def verdict(value: float, error: float, quoted: float) -> str:
    """differs: by more than two standard errors and the error of reading a figure; else agrees."""
    return "agrees" if abs(value - quoted) <= 2 * error + READING * quoted else "differs"


def ratio(one: dict, other: dict) -> tuple[float, float]:
    """A variance over another, with its standard error."""
    value = one["variance"] / other["variance"]
    return value, value * math.hypot(one["se"] / one["variance"], other["se"] / other["variance"])


@in_style
def picture(record: dict, path: Path) -> None:
    """Variance over steps of training."""
    drawn, axis = plt.subplots(figsize=(7, 4.6), layout="constrained")
    look = looks(ESTIMATORS)
    for name in ESTIMATORS:
        rows = [row for row in record["rows"] if row["estimator"] == name]
        axis.errorbar(
            [row["steps"] for row in rows],
            [row["variance"] for row in rows],
            [2 * row["se"] for row in rows],
            ms=4,
            label=f"{name} ({rows[0]['evaluations']} evaluations)",
            **look[name].keywords,
        )
    axis.set(xscale="log", yscale="log", xlabel="steps of training")
    axis.set_ylabel("variance of the encoder's gradient, (nats/unit)²")
    axis.set_title("200-bit VAE on 100 rows of Fashion-MNIST; bars: ± 2 standard errors")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(axis="y", which="both")
    legend_above(drawn, [axis])
    save_figure(drawn, path)
