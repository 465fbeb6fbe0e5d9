"""How well does a Bayesian neural network predict, fitted by the ELBO and by Renyi's bound?

    python -m benchmarks.evaluation.bnn                         # yacht and boston, two splits each
    python -m benchmarks.evaluation.bnn --data yacht --splits 1

One hidden layer of 50 rectified units on tables of UCI, nine rows of ten to train on; a mean-field
normal for the weights. Minus the log density of the held-out rows and the root mean square error
of the mean prediction, both in the table's own unit, beside published numbers for the same network
and families (other splits, more steps). Needs uci_boston.npz and uci_yacht.npz in ZOO_DATA.

Source: Li & Turner 2016, "Renyi divergence variational inference", for the published numbers.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch

import guides
import zoo
from benchmarks import records
from zoo.data.regression_tables import unit_of_y
from zoo.isolation import isolated
from zoo.models.regression.bnn import predicted
from zoo.objectives import OBJECTIVES
from zoo.optim.schedules import Cosine
from zoo.results.result import Fit
from zoo.sampling.draws import draw

RESULT = "bnn.json"
PUBLISHED = {  # minus log density of a held-out row
    "yacht": {"trace": 1.77, "renyi": 1.82},
    "boston": {"trace": 2.52, "renyi": 2.46},
}
STEPS, LR, SPLITS, DRAWS = 10_000, 1e-2, 2, 500
Row = dict[str, Any]


def fitted(data: str, objective: str, split: int, steps: int) -> Fit:
    """The fit of one split by one objective."""
    return zoo.fit(
        zoo.load("bnn", data=data, seed=split),
        guides.MeanField,
        objective=OBJECTIVES[objective],
        steps=steps,
        lr=LR,
        lr_schedule=Cosine(steps),
    )


def row_of(data: str, objective: str, split: int, steps: int) -> Row:
    """How well one fit predicts."""
    started = time.perf_counter()
    fit = fitted(data, objective, split, steps)
    seconds = time.perf_counter() - started
    unit = unit_of_y(data, split)
    metric = zoo.evaluate(fit, metrics=["log_predictive"])["log_predictive"]
    row = {"data": data, "objective": objective, "split": split, "steps": steps}
    numbers = {"nll": math.log(unit) - metric.value, "nll_error": metric.se}
    numbers |= {"rmse": unit * error_of_mean(fit), "seconds": seconds}
    return row | {name: float(f"{x:.5g}") for name, x in numbers.items()}


def error_of_mean(fit: Fit) -> float:
    """Root mean square error of the mean over networks, in units of y in the data."""
    x, y = fit.task.data.test
    with isolated(seed=0), torch.no_grad():
        drawn = draw(fit.program, (x, y), DRAWS).latents
    found = predicted(x, drawn["hidden"], drawn["output"][:, None]).mean(0)
    return float((found - y).square().mean().sqrt())


def table(rows: list[Row]) -> str:
    """Means over the splits, with the published numbers."""
    lines = ["data    objective  splits    nll   (published)   rmse"]
    for data, objective in dict.fromkeys((row["data"], row["objective"]) for row in rows):
        own = [row for row in rows if (row["data"], row["objective"]) == (data, objective)]
        nll, rmse = (sum(row[name] for row in own) / len(own) for name in ("nll", "rmse"))
        known = PUBLISHED[data][objective]
        lines.append(f"{data:7} {objective:10} {len(own):6} {nll:6.2f} {known:10.2f} {rmse:8.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(PUBLISHED), help="comma-separated tables")
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=records.RESULTS / RESULT)
    asked = parser.parse_args()
    made, rows = records.made_now(), list[Row]()
    for data in asked.data.split(","):
        for objective in PUBLISHED[data]:
            for split in range(asked.splits):
                rows.append(row_of(data, objective, split, asked.steps))
                print(rows[-1], flush=True)
                records.write(asked.out, made | {"published": PUBLISHED, "rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
