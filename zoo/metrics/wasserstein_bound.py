"""Bounds on the error of a guide's means, sds and distances, from its importance weights alone.

With D2 = log E_q[(p/q)^2] the 2-divergence from the posterior p to the guide q, and
r = sqrt(exp(D2) - 1), for any norm, center a and order k >= 1,

    W_k(p, q)  <=  2^(1 - 1/k) E_q[ |z - a|^(2k) ]^(1/2k)  r^(1/k),

    |mean_p - mean_q| <= sd_q r,   |sd_p - sd_q| <= W_2   (each for one coordinate).

D2 needs log p(x); a lower bound on it gives an upper bound on D2, so the ELBO will do:
D2 <= log E_q[w^2] - 2 ELBO = 2 (CUBO_2 - ELBO).
Source: Huggins, Kasprzak, Campbell & Broderick 2020, "Validated variational inference via
practical posterior error bounds".
Departs from the paper: the constant in front is Villani's (Optimal Transport, Theorem 6.15), and
the mean's bound is Cauchy and Schwarz'.

The estimate of E[w^2] is itself a mean of heavy-tailed draws: where k-hat is above 1/2 it has no
finite variance, and the bound that comes out may be too small.
"""

import torch
from torch import Tensor

from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.weight_diagnostics import k_hat
from zoo.traces import log_mean_exp

FINITE = 0.5


def two_divergence(log_w: Tensor, log_evidence: Tensor | None = None) -> PerRow:
    """D2 of each row, or an upper bound on it, and its standard error, nats.

    Args:
        log_w: log-weights log p(x, z) - log q(z) of draws from q, shape (draws, rows).
        log_evidence: log p(x), shape (rows,); None bounds it by the ELBO.
    """
    second, noise = _log_mean(2 * log_w)
    if log_evidence is not None:
        return (second - 2 * log_evidence).clamp(min=0), noise
    bound = log_w.mean(0)
    relative = (2 * log_w - second).exp() - 1 - 2 * (log_w - bound)
    return (second - 2 * bound).clamp(min=0), relative.std(0) / len(log_w) ** 0.5


def _log_mean(log_values: Tensor) -> PerRow:
    value = log_mean_exp(log_values)
    return value, (log_values - value).exp().std(0) / len(log_values) ** 0.5


def radius(divergence: PerRow) -> PerRow:
    """sqrt(exp(D2) - 1), the chi distance, and how far a standard error of D2 raises it.

    Near 0 the square root is too steep for the delta method.
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
    moment = moments.mean(0)
    spread = 2 ** (1 - 1 / order) * (moment ** (1 / (2 * order)))
    noise = torch.where(moment > 0, moments.std(0) / len(z) ** 0.5 / moment / (2 * order), 0.0)
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
    """The bounds as metrics, means over rows and, for those of a coordinate, its largest.

    Args:
        z: draws from q, shape (draws, rows, dimensions).
        log_w: their log-weights, shape (draws, rows).
        log_evidence: log p(x), shape (rows,); None bounds it by the ELBO.

    Returns:
        "two_divergence", "wasserstein_1_bound", "wasserstein_2_bound", "mean_error_bound",
        "sd_error_bound".
    """
    divergence = two_divergence(log_w, log_evidence)
    heavy = float((k_hat(log_w)[0] > FINITE).to(z.dtype).mean())
    note = f"k-hat above {FINITE} on {heavy:.0%} of rows: may be too small" if heavy else ""
    found = {"two_divergence": _mean(divergence, "nats/row", note)}
    for order in (1, 2):
        bound = wasserstein_bound(z, divergence, order=order)
        found[f"wasserstein_{order}_bound"] = _mean(bound, "units of z", note)
    found["mean_error_bound"] = _mean(_largest(mean_bound(z, divergence)), "units of z", note)
    found["sd_error_bound"] = _mean(_largest(sd_bound(z, divergence)), "units of z", note)
    return found


def _largest(bound: PerRow) -> PerRow:
    value, at = bound[0].max(-1)
    return value, bound[1].gather(-1, at.unsqueeze(-1)).squeeze(-1)


def _mean(bound: PerRow, unit: str, note: str) -> Metric:
    se = float(bound[1].square().sum().sqrt()) / len(bound[1])
    return Metric(float(bound[0].mean()), se, unit, "lower", note)
