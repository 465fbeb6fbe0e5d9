"""The KL term in closed form or by one draw: the same mean gradient, different variances.

A Gaussian VAE of digits with its scale fixed or learned; gradients of a few rows at the same
trained parameters. Each estimator's mean is held against long runs of a reference.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import guides
import zoo
from benchmarks import markdown
from zoo.models.vaes.gaussian_vae import GaussianVAE

DRAWS, ROWS, STEPS = 4096, 20, 1500
SCALES = {"scale fixed at 1": False, "scale learned": True}
OBJECTIVES = {"mean_field": "closed form", "trace": "one draw", "stl": "sticking the landing"}


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Measures the three estimators under both models, seed by seed."""
    usual = zoo.load("gaussian_vae")
    for name, learned in SCALES.items():
        task = replace(usual, build=lambda learned=learned: build(usual, learned))
        for seed in range(seeds if only in name else 0):
            found = zoo.measure_gradients(
                task,
                guides.AmortisedNormal,
                list(OBJECTIVES),
                draws=max(128, round(share * DRAWS)),
                rows=ROWS,
                steps=STEPS,
                seed=seed,
            )
            for row in found.rows:
                estimator = f"{OBJECTIVES[row.objective]}, {name}"
                yield task, {"KL term": estimator, "seed": seed} | asdict(row)


def build(task: zoo.Task, learned: bool) -> GaussianVAE:  # noqa: FBT001
    return GaussianVAE(task.data.features, latent=10, learned_scale=learned)


def table(rows: list[dict]) -> str:
    """One line an estimator, model and seed."""
    heads = ("KL term", "seed", "variance, encoder", "variance, decoder", "bias, p-value")
    lines = []
    for row in rows:
        cells = [row["KL term"], str(row["seed"])]
        for part in ("encoder", "decoder"):
            variance = row["variance"][part]
            cells.append(f"{variance['value']:.4g} ± {variance['se']:.2g}")
        cells.append(f"{row['bias_p_value']:.2f}")
        lines.append(cells)
    return markdown.table(heads, lines)
