"""Bounds on the errors of a guide's means and sds, and on its Wasserstein distance, from weights.

With D2 = log E_q[(p/q)^2] the 2-divergence from the posterior p to the guide q, and
r = sqrt(exp(D2) - 1), for any norm, center a and order k >= 1,

    W_k(p, q)  <=  2^(1 - 1/k) E_q[ |z - a|^(2k) ]^(1/2k)  r^(1/k),

    |mean_p - mean_q| <= sd_q r,   |sd_p - sd_q| <= W_2   (each for one coordinate).

D2 depends on log p(x). A lower bound on log p(x), such as the ELBO, gives an upper bound on D2:
D2 <= log E_q[w^2] - 2 ELBO = 2 (CUBO_2 - ELBO).
Source: Huggins, Kasprzak, Campbell & Broderick 2020, "Validated variational inference via
practical posterior error bounds".
Departs from the paper: the constant 2^(1 - 1/k) is from Villani (Optimal Transport, Theorem 6.15),
and the bound on the mean is the Cauchy-Schwarz inequality.

E[w^2] is estimated by a mean of squared weights. Where k-hat is above 1/2 these have an infinite
variance, and the estimated bound may be below the true one.
"""

from functools import partial

import torch
from torch import Tensor

from zoo.metrics.means import mean_of_draws, mean_over_rows
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.weight_diagnostics import k_hat
from zoo.traces import log_mean_exp

FINITE_VARIANCE = 0.5  # k-hat below which E[w^2] can be estimated


def two_divergence(log_w: Tensor, log_evidence: Tensor | None = None) -> PerRow:
    """D2 of each row, or an upper bound on it, and its standard error, nats.

    Args:
        log_w: log-weights log p(x, z) - log q(z) of draws from q, shape (draws, rows).
        log_evidence: log p(x), shape (rows,); None puts the ELBO in its place.
    """
    second, noise = _log_mean(2 * log_w)
    if log_evidence is not None:
        return (second - 2 * log_evidence).clamp(min=0), noise
    bound = log_w.mean(0)
    relative = (2 * log_w - second).exp() - 1 - 2 * (log_w - bound)
    return (second - 2 * bound).clamp(min=0), mean_of_draws(relative)[1]


def _log_mean(log_values: Tensor) -> PerRow:
    value = log_mean_exp(log_values)
    return value, mean_of_draws((log_values - value).exp())[1]


def radius(divergence: PerRow) -> PerRow:
    """R = sqrt(exp(D2) - 1), and by how much it grows if D2 grows by its standard error.

    The delta method would fail near D2 = 0, where the slope of the square root is infinite.
    """
    value, error = divergence
    chi = value.expm1().sqrt()
    return chi, (value + error).expm1().sqrt() - chi


def wasserstein_bound(z: Tensor, divergence: PerRow, *, order: int = 2) -> PerRow:
    """Bound on W_k(p, q) of each row, in the units of z, and its standard error.

    Args:
        z: draws from q, shape (draws, rows, dimensions).
        divergence: D2 and its standard error, (rows,) each.
        order: k, at least 1.

    Raises:
        ValueError: for an order below 1.
    """
    if order < 1:
        raise ValueError(f"Expected an order of at least 1; got {order}.")
    moments = (z - z.mean(0)).norm(dim=-1) ** (2 * order)
    moment, moment_error = mean_of_draws(moments)
    spread = 2 ** (1 - 1 / order) * (moment ** (1 / (2 * order)))
    noise = torch.where(moment > 0, moment_error / moment / (2 * order), 0.0)
    chi, error = radius(divergence)
    near, far = (part ** (1 / order) for part in (chi, chi + error))
    return spread * near, spread * ((noise * near) ** 2 + (far - near) ** 2).sqrt()


def mean_bound(z: Tensor, divergence: PerRow) -> PerRow:
    """Bound on the error of each coordinate's mean: (rows, dimensions) each, in units of z."""
    sd = z.std(0)
    chi, error = (part.unsqueeze(-1) for part in radius(divergence))
    noise = sd / (2 * (len(z) - 1)) ** 0.5
    return sd * chi, ((noise * chi) ** 2 + (sd * error) ** 2).sqrt()


def sd_bound(z: Tensor, divergence: PerRow) -> PerRow:
    """Bound on the error of each coordinate's sd: W_2 of that coordinate, (rows, dimensions)."""
    columns = [wasserstein_bound(column.unsqueeze(-1), divergence) for column in z.unbind(-1)]
    values, errors = zip(*columns, strict=True)
    return torch.stack(values, -1), torch.stack(errors, -1)


def error_bounds(
    z: Tensor, log_w: Tensor, log_evidence: Tensor | None = None
) -> dict[str, Metric]:
    """The bounds as metrics: means over rows; of means and sds, for the worst coordinate.

    Args:
        z: draws from q, shape (draws, rows, dimensions).
        log_w: their log-weights, shape (draws, rows).
        log_evidence: log p(x), shape (rows,); None puts the ELBO in its place.

    Returns:
        "two_divergence", "wasserstein_1_bound", "wasserstein_2_bound", "mean_error_bound",
        "sd_error_bound".
    """
    divergence = two_divergence(log_w, log_evidence)
    heavy = float((k_hat(log_w)[0] > FINITE_VARIANCE).to(z.dtype).mean())
    doubt = f"k-hat above {FINITE_VARIANCE} on {heavy:.0%} of rows: may be too small"
    note = doubt if heavy else ""
    mean = partial(mean_over_rows, better="lower", note=note)
    found = {"two_divergence": mean(divergence, "nats/row")}
    for order in (1, 2):
        bound = wasserstein_bound(z, divergence, order=order)
        found[f"wasserstein_{order}_bound"] = mean(bound, "units of z")
    found["mean_error_bound"] = mean(_largest(mean_bound(z, divergence)), "units of z")
    found["sd_error_bound"] = mean(_largest(sd_bound(z, divergence)), "units of z")
    return found


def _largest(bound: PerRow) -> PerRow:
    value, at = bound[0].max(-1)
    return value, bound[1].gather(-1, at.unsqueeze(-1)).squeeze(-1)
