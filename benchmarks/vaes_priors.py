"""Every prior on the same VAE at the same budget: is it better than N(0, I)?

Digits, 10 latents; a VampPrior shares its encoder with the guide, the others go with a guide of
their own.
"""

from collections.abc import Iterator
from pathlib import Path

import vaes_fits

import guides
import zoo
from zoo.priors import PRIORS

STEPS = 6000
NAMES = ("elbo", "log_evidence", "k_hat")


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Fits and scores each prior, seed by seed."""
    steps = max(1, round(share * STEPS))
    for prior in PRIORS:
        if only in prior:
            task = zoo.load("vae", prior=prior)
            guide = guides.SharedEncoder if prior == "vamp" else guides.AmortisedNormal
            for seed in range(seeds):
                _, row = vaes_fits.fitted(task, guide, NAMES, steps=steps, seed=seed)
                yield task, {"prior": prior} | row


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
