"""What a fit predicts: log predictive densities, PSIS-LOO, calibration, predictive checks.

Sources: Gelman et al. 2013, "Bayesian Data Analysis", chapter 6 (predictive checks); Theis, van
den Oord & Bethge 2016, "A note on the evaluation of generative models" (bits per dimension);
Vehtari, Gelman & Gabry 2017, "Practical Bayesian model evaluation using leave-one-out
cross-validation"; Guo et al. 2017, "On calibration of modern neural networks" (expected
calibration error); Kuleshov, Fenner & Ermon 2018, "Accurate uncertainties for deep learning using
calibrated regression" (the same of numbers).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.pareto import smoothed
from zoo.metrics.shares import share_error

RELIABLE = 0.7
LEVELS = (0.5, 0.9)


def log_predictive(log_likelihood: Tensor) -> tuple[Metric, PerRow]:
    """Log predictive density of held-out rows: log of the mean likelihood over draws.

    Args:
        log_likelihood: log p(x_n | z_s) for draws z_s of global latents, (draws, rows); see
            :func:`zoo.sampling.draws.draw` on the test rows.

    Returns:
        The mean over rows, whose error is that of the draws (which all rows share), and each
        row's value and standard error. Below the truth by up to half the squared error.
    """
    values, errors = log_evidence(log_likelihood)
    relative = (log_likelihood - values).exp().mean(1)
    se = float(relative.std()) / len(log_likelihood) ** 0.5
    rows = len(values)
    over = float(values.std()) / rows**0.5 if rows > 1 else math.nan
    note = f"{rows} rows; se over rows {over:.2g}"
    return Metric(float(values.mean()), se, "nats/row", "higher", note), (values, errors)


def bits_per_dimension(metric: Metric, dimensions: int, levels: int = 2) -> Metric:
    """A log-probability of rows as bits for each of their dimensions.

    Args:
        metric: of unit nats/row, e.g. log_evidence.
        dimensions: numbers in a row.
        levels: grey levels of a pixel where the model's density is over pixels scaled to [0, 1];
            2 where the model gives probabilities of discrete pixels and nothing was scaled.

    Raises:
        ValueError: for a metric of another unit.
    """
    if metric.unit != "nats/row":
        raise ValueError(f"Expected a metric in nats/row; got one in '{metric.unit}'.")
    scale = dimensions * math.log(2)
    offset = 0.0 if levels == 2 else math.log2(levels)
    note = f"an upper bound; {metric.note}".removesuffix("; ")
    return Metric(offset - metric.value / scale, metric.se / scale, "bits/dim", "lower", note)


def loo(log_likelihood: Tensor, log_w: Tensor | None = None) -> tuple[dict[str, Metric], Tensor]:
    """PSIS-LOO: what each row's density is, given all the others.

        p(x_n | x_-n)  =  sum_s r_sn p(x_n | z_s) / sum_s r_sn,    r_sn = w_s / p(x_n | z_s),

    r smoothed, with w_s = p(x, z_s) / q(z_s) the weights that make draws of a guide into draws of
    the posterior; 1 for draws of the posterior itself.

    Args:
        log_likelihood: log p(x_n | z_s), (draws, rows).
        log_w: log-weights of the draws, (draws,); None for draws of the posterior.

    Returns:
        "elpd_loo" (nats for all rows, with its error over rows), "p_loo" (effective number of
        parameters), "loo_k_hat_share" (rows whose k-hat is above 0.7); and each row's elpd.
    """
    log_likelihood = log_likelihood.detach().cpu()
    own = torch.zeros(len(log_likelihood)) if log_w is None else log_w.detach().cpu()
    log_r, shape = smoothed(own[:, None] - log_likelihood)
    elpd = (log_r + log_likelihood).logsumexp(0) - log_r.logsumexp(0)
    rows = len(elpd)
    full = (own[:, None] + log_likelihood).logsumexp(0) - own.logsumexp(0)
    effective = full - elpd
    share = float((~(shape <= RELIABLE)).double().mean())
    note = f"{rows} rows; error over rows"
    return {
        "elpd_loo": Metric(float(elpd.sum()), _over_rows(elpd), "nats", "higher", note),
        "p_loo": Metric(float(effective.sum()), _over_rows(effective), "parameters", "", note),
        "loo_k_hat_share": Metric(
            share,
            share_error(share, rows),
            "of rows",
            "lower",
            f"k-hat above {RELIABLE}",
        ),
    }, elpd


def _over_rows(values: Tensor) -> float:
    return float(values.std()) * len(values) ** 0.5


def predictive_check(
    observed: Tensor, replicated: Tensor, statistics: dict[str, Callable[[Tensor], Tensor]]
) -> dict[str, Metric]:
    """Posterior predictive p-values: how often replicated data have a larger statistic.

    Values near 0 or 1 are misfit; under a true model they pile up around 1/2, not evenly, since
    the data were used for the fit too.

    Args:
        observed: the data, (rows, ...).
        replicated: data drawn from the posterior predictive, (draws, rows, ...).
        statistics: name -> function from one data set to a scalar.
    """
    found = {}
    for name, statistic in statistics.items():
        real = statistic(observed)
        copies = torch.stack([statistic(data) for data in replicated])
        larger = (copies > real).double() + 0.5 * (copies == real).double()
        p, n = float(larger.mean()), len(copies)
        note = f"observed {float(real):.3g}"
        found[f"predictive_p/{name}"] = Metric(p, share_error(p, n), "p-value", "", note)
    return found


@dataclass(frozen=True)
class Calibration:
    """A calibration curve, of a binary outcome's bins or of a number's quantiles.

    Attributes:
        confidence: mean predicted probability in each bin that is not empty; or the quantiles'
            levels, (bins,).
        frequency: share of ones there; or of observations below the quantile, (bins,).
        counts: rows there, (bins,).
        error: expected calibration error, mean over rows or levels of |frequency - confidence|.
        chance: what the error is on average for a model that is calibrated: finite bins.
    """

    confidence: Tensor
    frequency: Tensor
    counts: Tensor
    error: Metric
    chance: float


def calibration(
    probability: Tensor, label: Tensor, *, bins: int = 10, simulations: int = 200
) -> Calibration:
    """Calibration of predicted probabilities of a binary label, in bins of equal counts.

    Args:
        probability: predicted probability of a one, (rows,), averaged over draws.
        label: 0 or 1, (rows,).
        bins: number of bins.
        simulations: data sets simulated from the probabilities, for `chance` and the error.

    Raises:
        ValueError: if probabilities are outside of [0, 1], or shapes differ.
    """
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


def _resampled_error(p: Tensor, y: Tensor, rows: Tensor, bins: int) -> Tensor:
    rows = rows.sort().values  # p is in order, so the resampled is
    parts = torch.arange(len(rows), device=p.device) * min(bins, len(rows)) // len(rows)
    gap = torch.zeros(int(parts[-1]) + 1, dtype=p.dtype, device=p.device)
    return gap.index_add(0, parts, y[rows] - p[rows]).abs().sum() / len(rows)


def quantile_calibration(
    observed: Tensor, predicted: Tensor, *, simulations: int = 200
) -> Calibration:
    """Calibration of predicted numbers: how often they are below the predicted deciles.

    Args:
        observed: (rows,).
        predicted: draws of the predictive distribution of each, (draws, rows).
        simulations: for `chance` and the error.

    Returns:
        The curve: levels 0.1 .. 0.9, the share of observations below the predicted quantiles, and
        the mean over levels of what separates the two. A curve that is flat in the middle belongs
        to predictions that are too narrow, a steep one to those that are too wide.

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
    """Share of observations within the central 50 and 90 % predictive intervals.

    Args:
        observed: (rows,).
        predicted: (draws, rows).
    """
    found = {}
    for level in LEVELS:
        tails = torch.tensor([0.5 - level / 2, 0.5 + level / 2], device=predicted.device)
        low, high = predicted.quantile(tails.to(predicted.dtype), dim=0)
        share = float(((observed >= low) & (observed <= high)).double().mean())
        se = share_error(share, len(observed))
        name = f"predictive_coverage_{round(100 * level)}"
        found[name] = Metric(share, se, "of rows", "", f"should be {level:.2g}")
    return found
