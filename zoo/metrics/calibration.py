"""Calibration of predictions: do outcomes occur as often as their predicted probabilities say?

Sources: Guo et al. 2017, "On calibration of modern neural networks" (expected calibration error);
Kuleshov, Fenner & Ermon 2018, "Accurate uncertainties for deep learning using calibrated
regression" (the same for real outcomes).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.metrics.metric import Metric
from zoo.metrics.shares import share

COVERAGE_LEVELS = (0.5, 0.9)


@dataclass(frozen=True)
class Calibration:
    """A calibration curve: over bins for a binary outcome, over quantiles for a real one.

    Attributes:
        confidence: mean predicted probability in each bin; or the level of each quantile, (bins,).
        frequency: share of ones in the bin; or share of observations below the quantile, (bins,).
        counts: number of rows in the bin, or in all, (bins,).
        error: expected calibration error: the mean over rows, or over levels, of
            |frequency - confidence|.
        chance: mean error of a perfectly calibrated model; above 0, as the rows are finitely many.
    """

    confidence: Tensor
    frequency: Tensor
    counts: Tensor
    error: Metric
    chance: float


def calibration(
    probability: Tensor, label: Tensor, *, bins: int = 10, simulations: int = 200
) -> Calibration:
    """The calibration curve of predicted probabilities of a binary label, in bins of equal counts.

    Args:
        probability: predicted probability that the label is 1, a mean over draws, (rows,).
        label: 0 or 1, (rows,).
        bins: number of bins.
        simulations: number of simulated data sets behind `chance`, and of bootstrap resamples
            behind the standard error.

    Raises:
        ValueError: if probabilities are outside of [0, 1], or shapes differ.
    """
    _check_probabilities(probability, label)
    order = probability.argsort()
    place = torch.arange(len(order), device=label.device) * min(bins, len(order)) // len(order)
    p, y = probability[order], label[order].to(probability.dtype)
    counts = torch.bincount(place).to(p.dtype)

    def means(values: Tensor) -> Tensor:
        return torch.zeros_like(counts).index_add(0, place, values) / counts

    def error(labels: Tensor) -> Tensor:
        return ((means(labels) - means(p)).abs() * counts).sum() / len(p)

    chance = torch.stack([error(torch.bernoulli(p)) for _ in range(simulations)])
    again = torch.randint(len(p), (simulations, len(p)), device=p.device)
    se = torch.stack([_resampled_error(p, y, rows, bins) for rows in again]).std()
    note = f"{float(chance.mean()):.2g} on average for a calibrated model"
    value = Metric(float(error(y)), float(se), "probability", "lower", note)
    return Calibration(means(p), means(y), counts, value, float(chance.mean()))


def _check_probabilities(probability: Tensor, label: Tensor) -> None:
    if probability.shape != label.shape or probability.dim() != 1:
        raise ValueError(
            f"Expected probability and label of one shape (rows,); got {tuple(probability.shape)} "
            f"and {tuple(label.shape)}."
        )
    if bool(((probability < 0) | (probability > 1)).any()):
        raise ValueError(
            f"Expected probabilities in [0, 1]; got {float(probability.min()):.3g}"
            f" to {float(probability.max()):.3g}."
        )


def _resampled_error(p: Tensor, y: Tensor, rows: Tensor, bins: int) -> Tensor:
    """The error of a bootstrap resample, given by its rows; p is in ascending order."""
    rows = rows.sort().values
    parts = torch.arange(len(rows), device=p.device) * min(bins, len(rows)) // len(rows)
    gap = torch.zeros(int(parts[-1]) + 1, dtype=p.dtype, device=p.device)
    return gap.index_add(0, parts, y[rows] - p[rows]).abs().sum() / len(rows)


def quantile_calibration(
    observed: Tensor, predicted: Tensor, *, simulations: int = 200
) -> Calibration:
    """The calibration curve of predicted numbers: how often they are below predicted deciles.

    Args:
        observed: (rows,).
        predicted: draws of the predictive distribution of each, (draws, rows).
        simulations: number of simulated data sets behind `chance`, and of bootstrap resamples
            behind the standard error.

    Returns:
        The curve: levels 0.1 .. 0.9 and the share of observations below each predicted quantile.
        A curve that is flat in the middle means that predictions are too narrow, a steep one that
        they are too wide.

    Raises:
        ValueError: if the rows differ, or there are none.
    """
    if observed.dim() != 1 or predicted.shape[1:] != observed.shape or not len(observed):
        raise ValueError(
            f"Expected observed (rows,) and predicted (draws, rows); got {tuple(observed.shape)} "
            f"and {tuple(predicted.shape)}."
        )
    levels = torch.arange(1, 10, device=predicted.device, dtype=predicted.dtype) / 10
    below = (observed <= predicted.quantile(levels, dim=0)).to(predicted.dtype)
    rows = len(observed)

    def error(each: Tensor) -> Tensor:
        return (each.mean(1) - levels).abs().mean()

    uniform = torch.rand(simulations, rows, device=levels.device, dtype=levels.dtype)
    chance = torch.stack([error((u <= levels[:, None]).to(u.dtype)) for u in uniform]).mean()
    again = torch.randint(rows, (simulations, rows), device=levels.device)
    se = torch.stack([error(below[:, picked]) for picked in again]).std()
    note = f"of 9 quantiles; {float(chance):.2g} on average for a calibrated model"
    value = Metric(float(error(below)), float(se), "probability", "lower", note)
    counts = torch.full_like(levels, rows)
    return Calibration(levels, below.mean(1), counts, value, float(chance))


def predictive_coverage(observed: Tensor, predicted: Tensor) -> dict[str, Metric]:
    """Shares of observations inside the central 50 % and 90 % predictive intervals.

    Args:
        observed: (rows,).
        predicted: (draws, rows).
    """
    found = {}
    for level in COVERAGE_LEVELS:
        tails = torch.tensor([0.5 - level / 2, 0.5 + level / 2], device=predicted.device)
        low, high = predicted.quantile(tails.to(predicted.dtype), dim=0)
        inside = (observed >= low) & (observed <= high)
        name = f"predictive_coverage_{round(100 * level)}"
        found[name] = share(inside, note=f"should be {level:.2g}")
    return found
