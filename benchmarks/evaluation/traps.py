"""Two numbers that are easily read as what they are not, and what the harness says of each.

    python -m benchmarks.evaluation.traps
    python -m benchmarks.pages.failures    # docs/museum.md

Train rows: a density is fitted to 100 digits until it knows them by heart, and scored on them. No
bound: a Wasserstein autoencoder's loss, with its sign turned, is laid beside log p(x) of its own
decoder, which no ELBO exceeds; an encoder trained for that decoder, held fixed, estimates it.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import guides
import zoo
from benchmarks import records
from zoo.metrics import Metric

RESULT = records.RESULTS / "traps.json"
ROWS, STEPS, SEEDS = 100, 2000, 3
LAST = 100  # losses in the mean


def train_rows(steps: int, seed: int) -> dict[str, Any]:
    """Log p(x) of train and of test rows under MADE, nats a row."""
    task = zoo.load("made", binarize="static")
    few = tuple(x[:ROWS] for x in task.data.train)
    task = replace(task, data=replace(task.data, train=few))
    fit = zoo.fit(task, guides.Empty, steps=steps, seed=seed, average=False)
    found = {
        split: zoo.evaluate(fit, metrics=["log_evidence"], split=split)
        for split in ("train", "test")
    }
    scores = {split: pair(one["log_evidence"]) for split, one in found.items()}
    return {"seed": seed, **scores, "said": str(found["train"]).splitlines()[0]}


def no_bound(steps: int, seed: int) -> dict[str, Any]:
    """The turned loss of a Wasserstein autoencoder beside log p(x) of its decoder, nats a row."""
    task = zoo.load("vae", binarize="static")
    (x,) = task.split("train")
    fit = zoo.fit(task, guides.AmortisedNormal, objective="wae", steps=steps, seed=seed)
    held = zoo.fit(fit.model, guides.AmortisedNormal, x, steps=steps, seed=seed, freeze_model=True)
    found = zoo.evaluate(held, metrics=["elbo", "log_evidence"], draws=500)
    scored = zoo.evaluate(fit, metrics=["elbo", "convergence"], draws=100)
    return {
        "seed": seed,
        "minus the loss": -float(fit.losses[-LAST:].mean()) / len(x),
        "elbo": pair(found["elbo"]),
        "log_evidence": pair(found["log_evidence"]),
        "said": scored.skipped["bound_rise"],
    }


def pair(metric: Metric) -> list[float]:
    """A value and its standard error."""
    return [metric.value, metric.se]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    rows = {
        "train rows": [train_rows(STEPS, seed) for seed in range(SEEDS)],
        "no bound": [no_bound(STEPS, seed) for seed in range(SEEDS)],
    }
    made = records.made_now(zoo.load("vae").data)
    records.write(asked.out, made | {"steps": STEPS, "rows": ROWS, "traps": rows})
    print(rows)


if __name__ == "__main__":
    main()
