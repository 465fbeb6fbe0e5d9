"""Likelihoods of grey levels: the digits' 17 levels, in bits for each dimension.

A categorical and a mixture of discretised logistics give levels a probability. A density does with
noise in the bins of the levels: uniform, or chosen by the row. "Refitted" holds the model that was
trained with uniform noise and fits a guide that chooses, to bound the same probability. A density
can exceed one; its nats are no bits until the bins have a volume.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import guides
import zoo
from benchmarks.vaes import fits as vaes_fits

STEPS = 6000
METRICS = ("elbo", "iwae_100", "log_evidence", "bits_per_dimension", "k_hat")


@dataclass(frozen=True)
class Choice:
    """A model of grey levels, its parts and its guide."""

    model: str
    parts: dict
    guide: Callable


CHOICES = {
    "categorical": Choice("vae", {"likelihood": "categorical"}, guides.AmortisedNormal),
    "logistic mixture": Choice("vae", {"likelihood": "logistic_mixture"}, guides.AmortisedNormal),
    "Gaussian, uniform noise": Choice("dequantised_vae", {}, guides.UniformNoise),
    "Gaussian, noise chosen by the row": Choice("dequantised_vae", {}, guides.AmortisedNormal),
    "Gaussian, noise by a flow": Choice("dequantised_vae", {}, guides.AmortisedIAF),
    "RealNVP parts, uniform noise": Choice("flow_vae", {}, guides.UniformNoise),
    "RealNVP parts, noise by a flow": Choice("flow_vae", {}, guides.AmortisedIAF),
}


NOISE = "Trained anew; only the noise differs in the guide."
BOTH = "Trained anew; the flow covers the noise and z."
HELD = "The model is held; the flow covers the noise and z."
GAINS = (  # better, worse, what differs
    ("Gaussian, noise chosen by the row", "Gaussian, uniform noise", NOISE),
    ("Gaussian, noise by a flow", "Gaussian, uniform noise", BOTH),
    ("Gaussian, uniform noise, refitted", "Gaussian, uniform noise", HELD),
    ("RealNVP parts, noise by a flow", "RealNVP parts, uniform noise", BOTH),
    ("RealNVP parts, uniform noise, refitted", "RealNVP parts, uniform noise", HELD),
)


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Trains and scores every choice on the same rows."""
    steps = max(1, round(share * STEPS))
    for name, choice in CHOICES.items():
        if only in name:
            task = zoo.load(choice.model, data="digits", binarize="none", **choice.parts)
            for seed in range(seeds):
                fit, row = vaes_fits.fitted(task, choice.guide, METRICS, steps=steps, seed=seed)
                yield task, {"likelihood": name} | row
                if choice.guide is guides.UniformNoise:
                    yield task, {"likelihood": f"{name}, refitted"} | refitted(fit, steps)


def refitted(fit: zoo.Fit, steps: int) -> dict:
    """The same model with noise that its guide chooses."""
    task = replace(fit.task, build=lambda: deepcopy(fit.model))
    _, row = vaes_fits.fitted(
        task, guides.AmortisedIAF, METRICS, steps=steps, seed=fit.settings.seed, freeze_model=True
    )
    return row


def table(rows: list[dict]) -> str:
    """One line a likelihood: bounds in nats, bits from log p(x)."""
    columns = [("ELBO", "elbo", 2), ("K = 100", "iwae_100", 2), ("log p(x)", "log_evidence", 2)]
    columns += [("bits/dim", "bits_per_dimension", 3), ("k-hat", "k_hat", 2)]
    gains = [gain(rows, *pair) for pair in GAINS]
    return "\n".join([vaes_fits.table_of(rows, "likelihood", columns), "", *filter(None, gains)])


def gain(rows: list[dict], better: str, worse: str, what: str) -> str:
    """ELBO of one row over another's, seed by seed; "" without a seed in common."""
    first, second = (
        {r["seed"]: r["elbo"] for r in rows if r["likelihood"] == n} for n in (better, worse)
    )
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return ""
    each = [first[seed][0] - second[seed][0] for seed in seeds]
    errors = [math.hypot(first[seed][1], second[seed][1]) for seed in seeds]
    error = max((max(each) - min(each)) / 2, *errors)
    return (
        f"- {better} over {worse}: {sum(each) / len(each):+.2f} ± {error:.2f} nats of ELBO. {what}"
    )
