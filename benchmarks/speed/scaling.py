"""How does the cost of a step grow? With rows, particles, latent dimension and replicas.

    python -m benchmarks.speed.scaling --out benchmarks/results   # scaling.json and docs' picture

Each point is a step of the compiled path; beside it, in the same minute, NumPyro's scan (its vmap
for replicas) where NumPyro is installed, and Pyro's own SVI.step where that ends within seconds.
"""

import argparse
import json
from datetime import date
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO
from torch import nn

import guides
import zoo
from benchmarks import records
from benchmarks.speed.timing import best_of, device, time_compiled, time_svi, trainer_on
from zoo.figure_style import in_style, legend_above, look_of, save_figure
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.objectives import Trace
from zoo.task import given

LR = 1e-3
SLOWEST = 0.2  # seconds of a Pyro step that is still worth waiting for
LARGE = 10**5  # rows from which NumPyro is timed over few steps
AXES = {
    "rows": [10**3, 10**4, 10**5, 10**6],
    "particles": [1, 4, 16, 64, 256],
    "latent dimension": [4, 16, 64, 256, 1024],
    "replicas": [1, 4, 16, 64, 256],
}
COLUMNS = {"zoo_ms": "zoo compiled", "numpyro_ms": "NumPyro", "pyro_ms": "Pyro's SVI.step"}
TITLES = {
    "rows": "logistic regression, all rows in a step",
    "particles": "eight schools, mean-field",
    "latent dimension": "normal means, mean-field",
    "replicas": "eight schools, all replicas together",
}


def logistic_regression(rows: int):
    """Full-batch logistic regression on made-up rows."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 10, generator=generator)
    y = (torch.rand(rows, generator=generator) < torch.sigmoid(x[:, 0])).float()
    return given(LogisticRegression(10), (x, y)), guides.MeanField, Trace(), None, LR


class NormalMeans(nn.Module):
    """As many unknown means as there are observations."""

    def forward(self, y: torch.Tensor) -> None:
        mean = pyro.sample("mean", dist.Normal(torch.zeros(len(y)), 1.0).to_event(1))
        pyro.sample("y", dist.Normal(mean, 1.0).to_event(1), obs=y)


def normal_means(size: int):
    """The task of that many unknown means, with its guide, objective, batch size and rate."""
    return (
        given(NormalMeans(), (torch.linspace(-2, 2, size),)),
        guides.MeanField,
        Trace(),
        None,
        LR,
    )


def eight_schools(particles: int):
    """Eight schools, whose steps are so small that their time is mostly overhead."""
    return zoo.load("eight_schools"), guides.MeanField, Trace(particles), None, LR


def in_numpyro(axis: str, size: int) -> float | None:
    """Seconds a step of NumPyro on the same data; None where it is not installed."""
    try:
        from benchmarks.rivals import numpyro_models as rival
    except ImportError:
        return None
    particles, replicas = 1, None
    model, (task, *_) = rival.eight_schools, eight_schools(1)
    if axis == "rows":
        model, (task, *_) = rival.logistic_regression, logistic_regression(size)
    elif axis == "latent dimension":
        model, (task, *_) = rival.normal_means, normal_means(size)
    elif axis == "particles":
        particles = size
    else:
        replicas = size
    data = [column.numpy() for column in task.data.train]
    steps = 20 if size >= LARGE else 2000
    svi = rival.auto(model, "mean_field", particles)
    return rival.time_steps(svi, data, None, steps, replicas)[0]


def case(axis: str, size: int):
    """Trainer maker and replicas of one point."""
    if axis == "rows":
        return partial(trainer_on, *logistic_regression(size)), 1
    if axis == "particles":
        return partial(trainer_on, *eight_schools(size)), 1
    if axis == "latent dimension":
        return partial(trainer_on, *normal_means(size)), 1
    return partial(trainer_on, *eight_schools(1)), size


def point(axis: str, size: int) -> dict:
    """Milliseconds of one step, of all replicas together."""
    make, replicas = case(axis, size)
    torch.set_num_threads(2 if axis == "rows" else 1)
    step, build, _ = time_compiled(lambda seed: make(seed=seed), replicas)
    found = {"axis": axis, "size": size, "zoo_ms": step * 1e3, "build_seconds": build}
    rival = in_numpyro(axis, size)
    if rival is not None:
        found["numpyro_ms"] = rival * 1e3
    once = best_of(make().advance, 2, 1)
    if once < SLOWEST:
        particles = size if axis == "particles" else 1
        svi = time_svi(make(), Trace_ELBO, particles, LR)
        found["pyro_ms"] = svi * 1e3 * replicas  # one after another
    return found


@in_style
def picture(rows: list[dict], path: Path) -> None:
    """One panel an axis, both scales logarithmic."""
    picture, panels = plt.subplots(2, 2, figsize=(8, 6), layout="constrained", sharey=True)
    for axis, panel in zip(AXES, panels.flat, strict=True):
        chosen = [row for row in rows if row["axis"] == axis]
        for column, label in COLUMNS.items():
            drawn = [row for row in chosen if column in row]
            sizes, times = [row["size"] for row in drawn], [row[column] for row in drawn]
            panel.loglog(sizes, times, label=label, **look_of(label).keywords)
        panel.set(xlabel=axis, title=TITLES[axis])
        panel.grid(which="major")
    for panel in panels[:, 0]:
        panel.set_ylabel("milliseconds a step")
    legend_above(picture, panels.flat)
    save_figure(picture, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="*", default=list(AXES), choices=list(AXES))
    parser.add_argument("--out", type=Path, default=records.RESULTS)
    parser.add_argument("--picture", type=Path, default=records.DOCS / "scaling.png")
    asked = parser.parse_args()
    path = asked.out / "scaling.json"
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    rows = [row for row in kept if row["axis"] not in asked.axes]
    for axis in asked.axes:
        for size in AXES[axis]:
            rows.append(point(axis, size) | {"date": date.today().isoformat()})
            print(json.dumps(rows[-1]), flush=True)
    rows.sort(key=lambda row: list(AXES).index(row["axis"]))
    record = records.made_now() | {"device": device(), "rows": rows}
    records.write(path, record)
    picture(rows, asked.picture)


if __name__ == "__main__":
    main()
