"""What the temperature of a relaxed categorical costs, against the exact gradient.

    python -m benchmarks.estimators.temperature

writes benchmarks/results/temperature.json and docs/temperature.png.

A categorical VAE of digits with few enough states to sum gives the exact gradient of the ELBO.
Gumbel-softmax, straight-through and Gumbel-Rao estimate it at the same trained parameters, with
the KL term in closed form; RLOO, a score-function estimator without bias, stands beside them.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import guides
import zoo
from benchmarks import records
from zoo.cli.gradients import RELAXED, estimator_named
from zoo.gradients.pictures import temperature_picture
from zoo.gradients.results import Gradients
from zoo.models.discrete.categorical_vae import CategoricalVAE

TEMPERATURES = (0.1, 0.2, 0.4, 0.8, 1.6)
VARIABLES, CLASSES = 3, 4
SETTINGS = {"rows": 4, "steps": 1000, "tune": 1, "training": "rloo", "seed": 0, "at": "trained"}


def measured(draws: int) -> Gradients:
    """Every estimator at every temperature."""
    task = replace(
        zoo.load("categorical_vae"),
        build=lambda: CategoricalVAE(64, VARIABLES, CLASSES, (32,)),
    )
    return zoo.measure_gradients(
        task,
        guides.AmortisedDiscrete,
        [*(estimator_named(name) for name in RELAXED), "rloo"],
        draws=draws,
        temperatures=TEMPERATURES,
        **SETTINGS,
    )


def shown(found: Gradients) -> None:
    """A line for each estimator and temperature."""
    print(f"{'estimator':18} {'tau':>4} {'bias, relative':>20} {'variance, encoder':>22}")
    for row in found.rows:
        bias, variance = row.bias or {}, row.variance["encoder"]
        relative = f"{bias['relative']:.4f} ± {bias['relative_se']:.4f}"
        spread = f"{variance.value:.4g} ± {variance.se:.2g}"
        print(f"{row.objective:18} {row.temperature or '':>4} {relative:>20} {spread:>22}")


def main() -> None:
    """Measures, prints, draws, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=records.RESULTS / "temperature.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "temperature.png")
    asked = parser.parse_args()
    begin = time.perf_counter()
    found = measured(asked.draws)
    shown(found)
    temperature_picture(found.rows, asked.picture)
    record = records.made_now(found.task.data) | {
        "device": found.settings["device"],
        "settings": found.settings | {"variables": VARIABLES, "classes": CLASSES},
        "units": {"variance": "(nats per unit)^2", "bias": "of the exact gradient's norm"},
        "seconds": time.perf_counter() - begin,
        "rows": [asdict(row) for row in found.rows],
    }
    records.write(asked.out, record)


if __name__ == "__main__":
    main()
