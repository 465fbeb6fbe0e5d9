"""Every prior on the same VAE at the same budget: is it better than N(0, I)?

Digits, 10 latents; a VampPrior shares its encoder with the guide, the others go with a guide of
their own.
"""

from collections.abc import Iterator
from pathlib import Path

import guides
import zoo
from zoo.priors import PRIORS

STEPS, LR, BATCH, DRAWS = 6000, 1e-3, 100, 1000


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Fits and scores each prior, seed by seed."""
    for prior in PRIORS:
        if only in prior:
            task = zoo.load("vae", prior=prior)
            guide = guides.SharedEncoder if prior == "vamp" else guides.AmortisedNormal
            for seed in range(seeds):
                yield task, {"prior": prior} | one_fit(task, guide, share, seed)


def one_fit(task: zoo.Task, guide: type, share: float, seed: int) -> dict:
    steps = max(1, round(share * STEPS))
    fit = zoo.fit(task, guide, steps=steps, lr=LR, batch_size=BATCH, seed=seed, progress=True)
    found = zoo.evaluate(fit, figures=("elbo", "log_evidence", "k_hat"), draws=DRAWS)
    row = {"seed": seed, "steps": steps, "seconds": fit.seconds, "path": fit.path}
    return row | {name: [figure.value, figure.se] for name, figure in found.items()}


def table(rows: list[dict]) -> str:
    """One line a prior: means over seeds, and the gain over N(0, I) seed by seed."""
    heads = ("prior", "ELBO", "log p(x)", "k-hat", "gain in log p(x)")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    plain = {row["seed"]: row["log_evidence"][0] for row in rows if row["prior"] == "standard"}
    for prior in dict.fromkeys(row["prior"] for row in rows):
        each = [row for row in rows if row["prior"] == prior]
        means = [sum(row[n][0] for row in each) / len(each) for n in NAMES]
        gains = [row["log_evidence"][0] - plain[row["seed"]] for row in each]
        spread = (max(gains) - min(gains)) / 2
        gain = f"{sum(gains) / len(gains):+.2f} ± {spread:.2f}" if prior != "standard" else "-"
        lines.append("| " + " | ".join([prior, *(f"{v:.2f}" for v in means), gain]) + " |")
    return "\n".join([*lines, "", "± is half the range over seeds."])


NAMES = ("elbo", "log_evidence", "k_hat")
