"""How far the means and sds of a guide are from those of the exact posterior, in posterior sds.

Over all coordinates there are the root mean square and the largest: one coordinate of many that is
wrong, such as the scale of a hierarchical model, hardly moves the mean square.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.metrics.metric import Metric, joined
from zoo.permutations.distribution import OverPermutations
from zoo.protocols import HasMoments, HasPosterior

SINGLE_PRECISION = 1e-6  # relative rounding error of draws
OWN_ERROR = "the reference's own error is larger than that of the draws"
Moments = dict[str, tuple[Tensor, Tensor]]  # site -> mean and standard deviation


def exact_moments(model: Callable, args: tuple) -> Moments | None:
    """Site -> exact posterior mean and standard deviation; None if the model does not have them.

    Raises:
        ValueError: if the model computes them by a sum of too many terms.
    """
    if isinstance(model, HasMoments):
        return model.posterior_moments(*args)
    if isinstance(model, HasPosterior):
        exact = model.posterior(*args)
        return {name: _of(q) for name, q in exact.items()}
    return None


def _of(q: Distribution) -> tuple[Tensor, Tensor]:
    """Mean and sd of a distribution; of permutations those of their matrices."""
    if isinstance(q, OverPermutations):
        chance = q.marginals()
        return chance, (chance * (1 - chance)).clamp(min=0).sqrt()
    return q.mean, q.variance.sqrt()


def posterior_errors(
    draws: dict[str, Tensor],
    exact: Moments,
    note: str,
    doubt: Moments | None = None,
    labels: Collection[str] = (),
) -> dict[str, Metric]:
    """Root mean squared errors of the guide's means and sds, in exact posterior sds.

    The mean of a bit or of a one-hot label is a probability, and its error is not divided by the
    sd: a label of probability 1e-4 has so small an sd that a single draw of it would dominate the
    mean over labels.

    Args:
        draws: site -> independent draws from the guide, shape (draws, ...).
        exact: site -> mean and sd of the exact posterior or of a reference, shape (...).
        note: of the metrics, e.g. which rows they are of.
        doubt: site -> standard errors of that mean and sd, shape (...); None where they are exact.
        labels: sites of bits and one-hot labels; ignored where there are other sites.

    Returns:
        "posterior_mean_error" and "posterior_sd_error", root mean squares, and
        "posterior_mean_worst" and "posterior_sd_worst", of the coordinate that is off the most;
        their standard errors count the noise of the draws and that of the reference. If all sites
        are labels: "posterior_mean_error" alone, which is then an error of probabilities.
    """
    names = [name for name in exact if name in draws and name not in labels]
    if not names:
        return {"posterior_mean_error": _probability_error(draws, exact, note)}
    flat = [draws[name].reshape(len(draws[name]), -1) for name in names]
    mean, sd = (torch.cat([exact[name][i].reshape(-1) for name in names]) for i in (0, 1))
    z = torch.cat(flat, dim=1)
    kept = varying(z, sd > SINGLE_PRECISION * (1 + mean.abs()))
    z, mean, sd = z[:, kept], mean[kept], sd[kept]
    error, ratio = (z.mean(0) - mean) / sd, z.std(0) / sd
    mean_noise, sd_noise = ratio / len(z) ** 0.5, sd_error(z) / sd
    mean_doubt = sd_doubt = torch.zeros_like(ratio)
    if doubt is not None:
        of_mean, of_sd = (
            torch.cat([doubt[name][i].reshape(-1) for name in names])[kept] / sd for i in (0, 1)
        )
        mean_doubt, sd_doubt = torch.hypot(of_mean, error * of_sd), ratio * of_sd
    return {
        "posterior_mean_error": _judged(error, mean_noise, mean_doubt, note),
        "posterior_sd_error": _judged(ratio - 1, sd_noise, sd_doubt, note),
        "posterior_mean_worst": _worst(error, mean_noise, mean_doubt, note),
        "posterior_sd_worst": _worst(ratio - 1, sd_noise, sd_doubt, note),
    }


def constant(z: Tensor) -> Tensor:
    """Marks the numbers of z, (draws, ...), whose draws are all equal up to rounding: (...)."""
    return z.max(0).values - z.min(0).values <= SINGLE_PRECISION * (1 + z[0].abs())


def varying(z: Tensor, known: Tensor) -> Tensor:
    """Marks the coordinates that vary under the guide or in truth; all, where none does.

    A Cholesky factor of a correlation matrix holds numbers that are 0 or 1 in every draw. They
    have no sd to measure an error in.

    Args:
        z: draws from the guide, (draws, coordinates).
        known: which coordinates vary under the posterior, (coordinates,).
    """
    kept = known | ~constant(z)
    return kept if kept.any() else torch.ones_like(kept)


def _probability_error(draws: dict[str, Tensor], exact: Moments, note: str) -> Metric:
    """Root mean squared error of probabilities, less the noise that exact draws would have."""
    names = [name for name in exact if name in draws]
    n = len(draws[names[0]])
    found = torch.cat([draws[name].reshape(n, -1) for name in names], 1).to(exact[names[0]][0])
    p = torch.cat([exact[name][0].reshape(-1) for name in names])
    variance = p * (1 - p)
    error, noise = found.mean(0) - p, (variance / n).sqrt()
    fourth = (variance * (1 - 6 * variance)).clamp(min=0) / n**3  # beyond a normal's
    return _root_mean_square(error, noise, note, "probability", fourth)


def sd_error(z: Tensor) -> Tensor:
    """Standard error of each column's standard deviation; the columns need not be normal.

        se(s)^2 = (m4 - s^4 (n - 3) / (n - 1)) / (4 n s^2),   m4 the fourth central moment

    It needs a finite fourth moment, and is too small where the tail has not been drawn.

    Args:
        z: independent draws, shape (draws, columns).
    """
    n, variance = len(z), z.var(0)
    fourth = (z - z.mean(0)).pow(4).mean(0)
    spread = (fourth - variance.square() * (n - 3) / (n - 1)).clamp(min=0)
    return (spread / (4 * n * variance.clamp(min=torch.finfo(z.dtype).tiny))).sqrt()


def _judged(error: Tensor, noise: Tensor, doubt: Tensor, note: str) -> Metric:
    if doubt.norm() > noise.norm():
        note = joined(note, OWN_ERROR)
    return _root_mean_square(error, torch.hypot(noise, doubt), note)


def _worst(error: Tensor, noise: Tensor, doubt: Tensor, note: str) -> Metric:
    """The largest error of a coordinate, with the noise of that coordinate."""
    i = error.abs().argmax()
    if doubt[i] > noise[i]:
        note = joined(note, OWN_ERROR)
    se = float(torch.hypot(noise[i], doubt[i]))
    return Metric(float(error[i].abs()), se, "posterior sd", "lower", note)


def _root_mean_square(
    error: Tensor,
    noise: Tensor,
    note: str,
    unit: str = "posterior sd",
    fourth: Tensor | float = 0.0,
) -> Metric:
    """The root mean square of errors, after the variance of their noise is subtracted.

    Args:
        error: of each coordinate, noise included.
        noise: standard deviation of the noise in each error.
        note: of the metric.
        unit: of the metric.
        fourth: fourth cumulant of the noise, 0 for normal noise.
    """
    square = (error**2 - noise**2).mean().clamp(min=0)
    value = float(square.sqrt())
    variance = ((2 * error * noise) ** 2 + 2 * noise**4 + fourth).sum() / len(error) ** 2
    se = float(variance.sqrt()) / (2 * value) if value > 0 else float(variance.sqrt().sqrt())
    return Metric(value, se, unit, "lower", note)
