"""Structures of latents on digits: hierarchies of groups, and a coarse copy of the picture.

The same hierarchy under three guides: bottom-up, which walks from the data to the top; top-down,
which shares the model's path; ladder, which merges both precisions. `self_vae` draws a coarse
picture between z and x, a deterministic function of the data; its log p(x) is that of both.
"one group, wide" has one group of latents and as many parameters as two groups, top-down: it shows
what the number of parameters alone gains.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import guides
import zoo
from benchmarks.vaes import fits as vaes_fits
from zoo.decoders import relu_decoder
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.vaes.vae import VAE
from zoo.priors import StandardNormal

STEPS = 6000
LATENT, WIDE = 20, 1088  # hidden units that make it as large as the hierarchy of two groups
WIDER = "one group, wide"
METRICS = ("elbo", "iwae_100", "log_evidence", "k_hat")
STRUCTURES: dict[str, tuple[str, dict, Callable]] = {
    "one group": ("vae", {"latent": LATENT}, guides.AmortisedNormal),
    WIDER: ("vae", {"latent": LATENT}, guides.AmortisedNormal),
    "two groups, top-down": ("hvae", {"groups": (10, 10)}, guides.TopDown),
    "two groups, ladder": ("hvae", {"groups": (10, 10)}, guides.GUIDES["ladder"]),
    "two groups, bottom-up": ("hvae", {"groups": (10, 10)}, guides.BottomUp),
    "three groups, top-down": ("hvae", {"groups": (6, 7, 7)}, guides.TopDown),
    "self-supervised": ("self_vae", {"latent": LATENT}, guides.AmortisedNormal),
}


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Trains and scores every structure with 20 latents at one budget."""
    steps = max(1, round(share * STEPS))
    for name, (model, parts, guide) in STRUCTURES.items():
        if only in name:
            task = zoo.load(model, **parts)
            task = widened(task) if name == WIDER else task
            for seed in range(seeds):
                _, row = vaes_fits.fitted(task, guide, METRICS, steps=steps, seed=seed)
                yield task, {"structure": name} | row


def widened(task: zoo.Task) -> zoo.Task:
    """The same autoencoder with more hidden units; the guide's encoder mirrors the decoder."""

    def build() -> VAE:
        decoder = relu_decoder(LATENT, task.data.features, 1, (WIDE,))
        return VAE(decoder, BernoulliLikelihood(), StandardNormal(LATENT))

    return replace(task, build=build)


def table(rows: list[dict]) -> str:
    """One line a structure."""
    columns = [("ELBO", "elbo", 2), ("log p(x)", "log_evidence", 2), ("k-hat", "k_hat", 2)]
    return vaes_fits.table_of(rows, "structure", columns)
