"""One model, many guides: how much each loses by computing q(z|x) with a shared encoder.

A Bernoulli VAE is trained once, and then fixed. Every amortised guide is trained for this model,
and finally a normal is optimised for each row by itself, which amortisation avoids. All bounds are
of the same test rows under the same model, so that they can be compared.

Source: the two approaches of UMass COMPSCI 688; Cremer, Li & Duvenaud 2018, "Inference
suboptimality in variational autoencoders".
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.local_optimisation import Search
from zoo.figure_style import BLACK, GREY, in_style, legend_above, look_of, save_figure
from zoo.isolation import isolated
from zoo.metrics.means import mean_of_draws, mean_over_rows
from zoo.metrics.metric import Metric, PerRow
from zoo.objectives import Trace
from zoo.results.result import Fit
from zoo.sampling.importance_weights import take_rows, weight_chunks
from zoo.task import Task, load
from zoo.training.fit import fit


@dataclass(frozen=True)
class Ladder:
    """Bounds of several guides on the same rows under one model.

    Attributes:
        task: the model and the data.
        bounds: guide -> ELBO of every row and its Monte Carlo error, nats, (rows,) each.
        log_evidence: importance-sampled log p(x) of every row and its error.
        search_steps: number of steps of the search for a q for each row.
        settled: did its bound stop improving? Otherwise the per-datum gap is too large.
        k_hat_share: share of rows whose log p(x) cannot be trusted.
    """

    task: Task
    bounds: dict[str, PerRow]
    log_evidence: PerRow
    search_steps: int
    settled: bool
    k_hat_share: float

    def gap(self, name: str) -> Metric:
        """Log p(x) minus the bound, mean over rows, with the Monte Carlo error of both."""
        (top, error), (bound, own) = self.log_evidence, self.bounds[name]
        return mean_over_rows((top - bound, (error**2 + own**2).sqrt()), better="lower")

    def elbo(self, name: str) -> Metric:
        """The bound, mean over rows."""
        return mean_over_rows(self.bounds[name])

    @property
    def search_note(self) -> str:
        """A sentence on how the per-datum search ended, and what its bound means."""
        ended = f"per_datum: its search ended after {self.search_steps} steps"
        if self.settled:
            return (
                f"{ended}, settled: its gap is about what a diagonal normal cannot express, "
                "and no smaller"
            )
        return f"{ended}, not settled: a diagonal normal can do with a smaller gap"


def amortisation(
    guides: dict[str, Callable],
    held: str,
    local: Callable,
    *,
    rows: int = 100,
    steps: int = 1500,
    draws: int = 500,
    search: Search = Search(),  # noqa: B008
    progress: bool = False,
) -> Ladder:
    """Bounds of one model with each of the guides, and with a guide optimised for each row.

    Args:
        guides: name -> amortised guide.
        held: name of the guide that the model is trained with.
        local: a guide with free parameters for each row.
        rows: number of test rows, the first ones.
        steps: number of steps of each fit.
        draws: number of draws for each bound and row.
        search: settings of the optimisation of the local guide.
        progress: show progress bars.
    """
    task = load("bernoulli_vae")
    first = fit(task, guides[held], steps=steps, device="cpu", progress=progress)
    still = replace(task, build=lambda: first.model)
    bounds = {}
    for name, guide in guides.items():
        trained = first
        if name != held:
            trained = fit(
                still, guide, steps=steps, device="cpu", freeze_model=True, progress=progress
            )
        bounds[name] = bounds_of(trained, rows, draws)
    found = measure_gaps(
        first, (local,), rows=rows, draws=draws, objective=Trace(4), search=search
    ).splits["test"]
    (bounds["per_datum"],) = found.local.values()
    (taken,), (settled,) = found.steps.values(), found.settled.values()
    return Ladder(task, bounds, found.log_evidence, taken, settled, found.k_hat_share)


@torch.no_grad()
def bounds_of(result: Fit, rows: int, draws: int) -> PerRow:
    """The ELBO of the first test rows and its Monte Carlo error, nats, (rows,) each."""
    args = result.task.split("test")
    taken = take_rows(result.program, args, torch.arange(rows), len(args[0]))
    with isolated(seed=0):
        log_w = torch.cat(list(weight_chunks(result.program, taken, draws)), dim=1)
    return mean_of_draws(log_w)


@in_style
def draw_amortisation(bounds: dict[str, PerRow], log_evidence: PerRow, path: Path) -> Path:
    """Draws the gap of every row to log p(x) under each guide, and the mean gaps.

    Args:
        bounds: guide -> ELBO of every row and its error, nats; rows are drawn in the order of
            their gap under the last one.
        log_evidence: log p(x) of every row and its error.
        path: of the PNG; the SVG is written beside it.
    """
    gaps = {name: (log_evidence[0] - bound).numpy() for name, (bound, _) in bounds.items()}
    *_, last = gaps
    order = np.argsort(gaps[last])
    picture, axis = plt.subplots(figsize=(8, 4.4), layout="constrained")
    for i, (name, gap) in enumerate(gaps.items()):
        colour = look_of(name).colour
        places = i + np.linspace(-0.3, 0.3, len(order))
        mean, error = gap.mean(), gap.std(ddof=1) / math.sqrt(len(gap))
        axis.scatter(places, gap[order], s=12, color=colour, alpha=0.55, linewidths=0)
        axis.errorbar(i + 0.4, mean, 2 * error, fmt="o", color=colour, mec=BLACK, ecolor=BLACK)
        axis.annotate(
            f"{mean:.2f}", (i + 0.4, mean), (7, 0), textcoords="offset points", va="center"
        )
    axis.axhline(0, color=GREY, lw=0.8)
    axis.scatter([], [], s=12, color=GREY, label=f"a test row, in the order of its {last} gap")
    said = "mean over rows, ± 2 standard errors over rows"
    axis.errorbar([], [], [], fmt="o", color=GREY, mec=BLACK, ecolor=BLACK, label=said)
    names = [name.replace("_", "\n", 1) for name in gaps]
    axis.set_xticks(range(len(gaps)), names)
    lowest = min(gap.min() for gap in gaps.values())
    axis.set(
        ylabel=r"gap of a row: $\log p(x_n)$ - ELBO, nats",
        xlim=(-0.5, len(gaps) - 0.25),
        ylim=(min(-0.1, 1.1 * lowest), None),
    )
    legend_above(picture, [axis])
    return save_figure(picture, path)[0]


def as_record(ladder: Ladder) -> dict[str, object]:
    """Metrics and every row's bound, for JSON."""
    metrics = {
        name: {"elbo": asdict(ladder.elbo(name)), "gap": asdict(ladder.gap(name))}
        for name in ladder.bounds
    }
    columns = ladder.bounds | {"log_evidence": ladder.log_evidence}
    rows = {
        name: {"value": value.tolist(), "se": se.tolist(), "unit": "nats"}
        for name, (value, se) in columns.items()
    }
    assert all(math.isfinite(value) for row in rows.values() for value in row["value"])
    search = {
        "steps": ladder.search_steps,
        "settled": ladder.settled,
        "says": ladder.search_note,
    }
    evidence = asdict(mean_over_rows(ladder.log_evidence))
    evidence["note"] = f"importance-sampled; k-hat is high in {ladder.k_hat_share:.0%} of rows"
    metrics["log_evidence"] = {"log_evidence": evidence}
    return {"metrics": metrics, "search": search, "rows": rows}


def columns_of(record: dict) -> tuple[dict[str, PerRow], PerRow]:
    """Bounds and log p(x) of every row, from what :func:`as_record` made."""
    columns = {
        name: (torch.tensor(one["value"]), torch.tensor(one["se"]))
        for name, one in record["rows"].items()
    }
    log_evidence = columns.pop("log_evidence")
    return columns, log_evidence
