"""What does a critic do to a flow: to its likelihood, and to its draws?

    python -m benchmarks.densities.flow_gan            # rows that are there are kept
    python -m benchmarks.densities.flow_gan --page     # docs/flows.md and flow_gan.png

One RealNVP is trained by likelihood, by a Wasserstein critic of its draws alone, and by both, for
as many updates of the flow each. With a critic, RMSprop and smaller rates: Adam's usual one drives
a flow that no likelihood holds to nowhere. Log p(x) of test rows is exact.
Draws are compared with as many test rows by sliced Wasserstein distance and MMD, both in units of
the training columns' standard deviations.
Source: Grover, Dhar & Ermon 2018, "Flow-GAN".
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import guides
import zoo
from benchmarks import records
from zoo.data import load_data
from zoo.isolation import isolated
from zoo.metrics.two_sample import mmd, sliced_wasserstein
from zoo.objectives import FlowGAN, Objective, Trace

MODEL, DATA, SEEDS = "realnvp", ("digits_dequantised",), 3
UPDATES, CRITIC_STEPS, BATCH = 1000, 5, 100
TRAININGS: dict[str, tuple[Objective, dict[str, Any]]] = {
    "likelihood": (Trace(), {}),
    "critic alone": (
        FlowGAN(likelihood=0.0, critic_steps=CRITIC_STEPS, critic_rate=5.0),
        {"optimizer": "rmsprop", "lr": 2e-5},
    ),
    "both": (
        FlowGAN(critic_steps=CRITIC_STEPS, critic_rate=5.0),
        {"optimizer": "rmsprop", "lr": 2e-4},
    ),
}
RESULT = records.RESULTS / "flow_gan.json"
SHOWN = 10  # draws that are kept, first seed
DIGITS = 3  # of what is kept


def steps_of(training: str) -> int:
    """Steps in which the flow takes `UPDATES` updates: the critic moves between them."""
    return UPDATES * (1 if training == "likelihood" else CRITIC_STEPS)


def named(row: dict) -> tuple[str, str, int]:
    """What a row is of."""
    return row["data"], row["training"], row["seed"]


def measured(data: str, training: str, seed: int) -> dict[str, Any]:
    """One fit: log p(x), distances of draws, and seconds."""
    task, start = zoo.load(MODEL, data=data), time.perf_counter()
    objective, settings = TRAININGS[training]
    fit = zoo.fit(
        task,
        guides.Empty,
        objective=objective,
        steps=steps_of(training),
        batch_size=BATCH,
        seed=seed,
        average=False,
        **settings,
    )
    seconds, (train,), (x,) = time.perf_counter() - start, task.split("train"), task.split("test")
    with torch.no_grad():
        values = fit.model.log_evidence(x).double()
    row = {"data": data, "training": training, "seed": seed, "seconds": seconds}
    row |= {"log p": float(values.mean()), "log p se": float(values.std()) / len(values) ** 0.5}
    drawn = fit.sample(len(x), seed=seed)["x"]
    row |= distances(drawn, x, train)
    shown = drawn[:SHOWN] if seed == 0 else drawn[:0]
    return row | {"draws": [[round(float(v), DIGITS) for v in one] for one in shown]}


def distances(drawn: Tensor, x: Tensor, train: Tensor) -> dict[str, float]:
    """Two-sample distances in units of the training columns' sds, with their errors."""
    scale = train.std(0).clamp(min=train.std() / 100)  # of a pixel that is all but constant
    with isolated(seed=0):
        sliced = sliced_wasserstein(drawn / scale, x / scale)
        squared, p = mmd(drawn / scale, x / scale)
    return {
        "sliced": sliced.value,
        "sliced se": sliced.se,
        "mmd": squared.value,
        "mmd se": squared.se,
        "mmd p": p.value,
    }


def keep(path: Path, row: dict[str, Any], data: str) -> None:
    """Writes the file with the row."""
    others = records.read(path)["rows"] if path.exists() else []
    others = [one for one in others if named(one) != named(row)]
    made = records.made_now(load_data(data)) | {"updates": UPDATES, "critic steps": CRITIC_STEPS}
    records.write(path, made | {"rows": [*others, row]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", action="store_true", help="the page alone")
    asked = parser.parse_args()
    if asked.page:
        from benchmarks.pages import flow_gan

        return flow_gan.main()
    for seed in range(SEEDS):
        for data in DATA:
            for training in TRAININGS:
                held = records.read(asked.out)["rows"] if asked.out.exists() else []
                if (data, training, seed) not in map(named, held):
                    row = measured(data, training, seed)
                    print({k: v for k, v in row.items() if k != "draws"}, flush=True)
                    keep(asked.out, row, data)
    return None


if __name__ == "__main__":
    main()
