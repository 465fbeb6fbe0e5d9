"""What a fit says of the grey levels of the digits: log P(k) of every test row, nats a row.

A model of levels gives P(k) itself, or a bound on it where it has latents. A flow gives a density
p(y) of levels with noise, y = (k + u) / 17. P(k) is that density's mass in the bin of k:

    P(k) = integral over u in [0, 1)^64 of p((k + u) / 17) 17^-64.

The mean over u of the logarithm is a bound on log P(k) from below, as an ELBO is; the logarithm of
the mean over draws of u estimates log P(k), low on average, as importance sampling does. With
these two, flows and models of levels stand in one column.
"""

import math

import torch
from torch import Tensor

import zoo

LEVELS = 17
DRAWS, AT_ONCE = 200, 10  # of noise or latents for each row, and how many of noise in one pass
SHOWN = 10
DIGITS = "0123456789abcdefg"  # one for each level


def measured(fit: zoo.Fit) -> dict:
    """The bound and the estimate, each with its error over draws, and draws of rows as text."""
    scored = of_fit if fit.task.data.levels else of_noise
    (bound, bound_error), (value, error) = scored(fit)
    return {
        "kind": kind(fit),
        "bound": [float(bound.mean()), over_rows(bound_error)],
        "log_evidence": [float(value.mean()), over_rows(error)],
        "error over rows": float(value.std()) / len(value) ** 0.5,
        "by row": [round(float(one), 3) for one in value],
        "test rows": len(value),
        "samples": samples(fit),
    }


def kind(fit: zoo.Fit) -> str:
    """Whether the value is log P(k) itself, and if not, what was drawn to estimate it."""
    if not fit.task.data.levels:
        return "noise drawn"
    return "latents drawn" if fit.latents.sites else "exact"


def over_rows(errors: Tensor) -> float:
    """The error of a mean over rows whose own errors are independent."""
    return float(errors.square().sum().sqrt()) / len(errors)


def of_fit(fit: zoo.Fit) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Bound and estimate of a model of levels; one and the same where nothing is latent."""
    found = zoo.evaluate(fit, metrics=("elbo", "log_evidence"), draws=DRAWS).by_row
    return found["elbo"], found["log_evidence"]


@torch.no_grad()
def of_noise(fit: zoo.Fit) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Bound and estimate of a density of levels with noise, by noise drawn anew for each row."""
    (y,) = fit.task.split("test")
    level = (LEVELS * y).floor()
    noise = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(DRAWS // AT_ONCE):
        u = torch.rand((AT_ONCE, *y.shape), generator=noise, dtype=y.dtype)
        filled = (level + u) / LEVELS
        parts.append(fit.model.log_evidence(filled.flatten(0, 1)).unflatten(0, u.shape[:2]))
    log_p = torch.cat(parts).double() - y.shape[1] * math.log(LEVELS)
    error = log_p.std(0) / DRAWS**0.5
    value = log_p.logsumexp(0) - math.log(DRAWS)
    relative = (log_p - value).exp()
    return (log_p.mean(0), error), (value, relative.std(0) / DRAWS**0.5)


def samples(fit: zoo.Fit) -> list[str]:
    """Rows drawn from the model, a character for the level of each pixel.

    Draws of a density may lie outside of [0, 1]; they are put into the nearest level.
    """
    x = fit.sample(SHOWN)["x"].reshape(SHOWN, -1)
    drawn = x * LEVELS if not fit.task.data.levels else x
    if fit.task.data.levels and not with_noise(fit):
        drawn = (x * (LEVELS - 1)).round()
    levels = drawn.floor().clamp(0, LEVELS - 1).long()
    return ["".join(DIGITS[level] for level in row) for row in levels.tolist()]


def with_noise(fit: zoo.Fit) -> bool:
    """Does the model draw levels with noise, k + u?"""
    return "u" in fit.latents.names
