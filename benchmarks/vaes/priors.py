"""Every prior on the same VAE at the same budget: is it better than N(0, I)?

Digits, 10 latents. A VampPrior has a recognition network, gated and wider than the encoder of the
others, and the guide shares it; "vamp, other encoder" has the same guide as the rest.
"""

from collections.abc import Iterator
from pathlib import Path

import guides
import zoo
from benchmarks import markdown
from benchmarks.vaes import fits as vaes_fits
from zoo.priors import PRIORS

STEPS = 6000
NAMES = ("elbo", "log_evidence", "k_hat")
CHOICES = {prior: (prior, guides.AmortisedNormal) for prior in PRIORS}
CHOICES |= {
    "vamp": ("vamp", guides.SharedEncoder),
    "vamp, other encoder": ("vamp", guides.AmortisedNormal),
}


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Fits and scores each prior, seed by seed."""
    steps = max(1, round(share * STEPS))
    for name, (prior, guide) in CHOICES.items():
        if only in name:
            task = zoo.load("vae", prior=prior)
            for seed in range(seeds):
                _, row = vaes_fits.fitted(task, guide, NAMES, steps=steps, seed=seed)
                yield task, {"prior": name} | row


def table(rows: list[dict]) -> str:
    """One line a prior: means over seeds, and the gain over N(0, I) seed by seed."""
    heads = ("prior", "parameters", "ELBO", "log p(x)", "k-hat", "gain in log p(x)")
    lines = []
    plain = {row["seed"]: row["log_evidence"][0] for row in rows if row["prior"] == "standard"}
    for prior in dict.fromkeys(row["prior"] for row in rows):
        each = [row for row in rows if row["prior"] == prior]
        cells = [prior, vaes_fits.parameters(each)]
        cells += [*(vaes_fits.shown(each, name) for name in NAMES), gain(each, plain)]
        lines.append(cells)
    note = "± is half the range over seeds, or a seed's own error."
    return f"{markdown.table(heads, lines)}\n\n{note}"


def gain(each: list[dict], plain: dict[int, float]) -> str:
    """Over N(0, I) with the same seed, and half the range over the seeds that both have."""
    gains = [r["log_evidence"][0] - plain[r["seed"]] for r in each if r["seed"] in plain]
    if each[0]["prior"] == "standard" or not gains:
        return "-"
    return f"{sum(gains) / len(gains):+.2f} ± {(max(gains) - min(gains)) / 2:.2f}"
