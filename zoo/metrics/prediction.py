"""How well a fit predicts: log predictive densities, bits per dimension, PSIS-LOO, and checks.

Sources: Gelman et al. 2013, "Bayesian Data Analysis", chapter 6 (predictive checks); Theis, van
den Oord & Bethge 2016, "A note on the evaluation of generative models" (bits per dimension);
Vehtari, Gelman & Gabry 2017, "Practical Bayesian model evaluation using leave-one-out
cross-validation".
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.metrics.bounds import log_evidence
from zoo.metrics.means import mean_error, rows_differ
from zoo.metrics.metric import Metric, PerRow, joined
from zoo.metrics.pareto import smoothed
from zoo.metrics.shares import share

LARGEST_RELIABLE_K = 0.7  # of PSIS-LOO, whatever the number of draws


def log_predictive(log_likelihood: Tensor) -> tuple[Metric, PerRow]:
    """The log predictive density of held-out rows: log of the mean likelihood over draws.

    Args:
        log_likelihood: log p(x_n | z_s) for draws z_s of global latents, (draws, rows); see
            :func:`zoo.sampling.draws.draw` on the test rows.

    Returns:
        The mean over rows, and each row's value and standard error. The error of the mean is that
        of the draws, which are the same for all rows. The expectation of each value is below the
        truth, by up to half its squared error.
    """
    values, errors = log_evidence(log_likelihood)
    relative = (log_likelihood - values).exp().mean(1)
    mean, se = float(values.mean()), mean_error(relative)
    return Metric(mean, se, "nats/row", "higher", rows_differ(values)), (values, errors)


def bits_per_dimension(
    metric: Metric, dimensions: int, levels: int = 2, *, exact: bool = False
) -> Metric:
    """A log-probability of rows, converted to bits per dimension.

    Args:
        metric: of unit nats/row, e.g. log_evidence.
        dimensions: number of dimensions of a row, e.g. of pixels.
        levels: grey levels of a pixel where the model's density is over pixels scaled to [0, 1];
            2 where the model gives probabilities of discrete pixels and nothing was scaled.
        exact: is it log p(x) itself? An estimate is low on average, and its bits are high.

    Raises:
        ValueError: for a metric of another unit.
    """
    if metric.unit != "nats/row":
        raise ValueError(f"Expected a metric in nats/row; got one in '{metric.unit}'.")
    scale = dimensions * math.log(2)
    offset = 0.0 if levels == 2 else math.log2(levels)
    value = offset - metric.value / scale
    note = joined("" if exact else "an upper bound", metric.note)
    return Metric(value, metric.se / scale, "bits/dim", "lower", note)


def loo(log_likelihood: Tensor, log_w: Tensor | None = None) -> tuple[dict[str, Metric], Tensor]:
    """PSIS-LOO: the predictive density of each row given all other rows.

        p(x_n | x_-n)  =  sum_s r_sn p(x_n | z_s) / sum_s r_sn,    r_sn = w_s / p(x_n | z_s),

    where the r_sn are Pareto-smoothed. w_s = p(x, z_s) / q(z_s) are the importance weights of a
    guide's draws; they are 1 for draws of the posterior itself.

    Args:
        log_likelihood: log p(x_n | z_s), (draws, rows).
        log_w: log-weights of the draws, (draws,); None for draws of the posterior.

    Returns:
        "elpd_loo" (nats, the sum over rows, with its error over rows), "p_loo" (the effective
        number of parameters) and "loo_k_hat_share" (the share of rows whose k-hat is above 0.7);
        and each row's elpd.
    """
    log_likelihood = log_likelihood.detach().cpu()
    own = torch.zeros(len(log_likelihood)) if log_w is None else log_w.detach().cpu()
    log_r, shape = smoothed(own[:, None] - log_likelihood)
    elpd = (log_r + log_likelihood).logsumexp(0) - log_r.logsumexp(0)
    full = (own[:, None] + log_likelihood).logsumexp(0) - own.logsumexp(0)
    effective, unreliable = full - elpd, ~(shape <= LARGEST_RELIABLE_K)  # NaN is unreliable
    note = f"{len(elpd)} rows; error over rows"
    above = f"k-hat above {LARGEST_RELIABLE_K}"
    return {
        "elpd_loo": Metric(float(elpd.sum()), _sum_error(elpd), "nats", "higher", note),
        "p_loo": Metric(float(effective.sum()), _sum_error(effective), "parameters", "", note),
        "loo_k_hat_share": share(unreliable, better="lower", note=above),
    }, elpd


def _sum_error(values: Tensor) -> float:
    """Standard error of a sum over rows, (rows,), if other rows had been drawn."""
    return float(values.std()) * len(values) ** 0.5


def predictive_check(
    observed: Tensor, replicated: Tensor, statistics: dict[str, Callable[[Tensor], Tensor]]
) -> dict[str, Metric]:
    """Posterior predictive p-values: the share of replicated data sets with a larger statistic.

    A value near 0 or 1 means that the model does not reproduce the statistic. Under a true model
    the values are not uniform but concentrated around 1/2, because the model was fitted to the
    same data.

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
        note = f"observed {float(real):.3g}"
        found[f"predictive_p/{name}"] = share(larger, "p-value", note=note)
    return found
