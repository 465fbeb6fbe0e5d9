"""How far a guide's mean and spread are from the exact posterior's, in posterior sds."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from zoo.metrics.metric import Metric
from zoo.protocols import HasMoments, HasPosterior

Moments = dict[str, tuple[Tensor, Tensor]]


def exact_moments(model: Callable, args: tuple) -> Moments | None:
    """Site -> exact posterior mean and standard deviation, if the model knows them.

    Raises:
        ValueError: if the model knows them as a sum of too many terms.
    """
    if isinstance(model, HasMoments):
        return model.posterior_moments(*args)
    if isinstance(model, HasPosterior):
        exact = model.posterior(*args)
        return {name: (q.mean, q.variance.sqrt()) for name, q in exact.items()}
    return None


def posterior_errors(
    draws: dict[str, Tensor],
    exact: Moments,
    note: str,
    doubt: Moments | None = None,
    labels: Collection[str] = (),
) -> dict[str, Metric]:
    """Root mean squared errors of the mean and of the sd, in exact posterior sds.

    The mean of a bit or of a one-hot label is a probability, and is compared as one: in units of
    its sd a label of probability 1e-4 would outweigh all others once it is drawn.

    Args:
        draws: site -> independent draws from the guide, shape (draws, ...).
        exact: site -> exact mean and sd, shape (...), or a reference's.
        note: on what rows.
        doubt: site -> standard errors of the two, shape (...); None where they are exact.
        labels: sites of bits and one-hot labels; left out where there are others.

    Returns:
        "posterior_mean_error" and "posterior_sd_error"; their standard errors are how far the
        draws' own noise and the doubt move them. Of labels alone the first, a probability.
    """
    names = [name for name in exact if name in draws and name not in labels]
    if not names:
        return {"posterior_mean_error": _probability_error(draws, exact, note)}
    flat = [draws[name].reshape(len(draws[name]), -1) for name in names]
    mean, sd = (torch.cat([exact[name][i].reshape(-1) for name in names]) for i in (0, 1))
    z = torch.cat(flat, dim=1)
    error, ratio = (z.mean(0) - mean) / sd, z.std(0) / sd
    mean_noise, sd_noise = ratio / len(z) ** 0.5, sd_error(z) / sd
    mean_doubt = sd_doubt = torch.zeros_like(ratio)
    if doubt is not None:
        of_mean, of_sd = (
            torch.cat([doubt[name][i].reshape(-1) for name in names]) / sd for i in (0, 1)
        )
        mean_doubt, sd_doubt = torch.hypot(of_mean, error * of_sd), ratio * of_sd
    return {
        "posterior_mean_error": _judged(error, mean_noise, mean_doubt, note),
        "posterior_sd_error": _judged(ratio - 1, sd_noise, sd_doubt, note),
    }


def _probability_error(draws: dict[str, Tensor], exact: Moments, note: str) -> Metric:
    """Error of probabilities; the noise is what draws of the exact posterior would have."""
    names = [name for name in exact if name in draws]
    n = len(draws[names[0]])
    found = torch.cat([draws[name].reshape(n, -1) for name in names], 1).to(exact[names[0]][0])
    p = torch.cat([exact[name][0].reshape(-1) for name in names])
    variance = p * (1 - p)
    error, noise = found.mean(0) - p, (variance / n).sqrt()
    fourth = (variance * (1 - 6 * variance)).clamp(min=0) / n**3  # beyond a normal's
    return _root_mean_square(error, noise, note, "probability", fourth)


def sd_error(z: Tensor) -> Tensor:
    """Standard error of each column's standard deviation, without supposing it normal.

        se(s)^2 = (m4 - s^4 (n - 3) / (n - 1)) / (4 n s^2),   m4 the fourth central moment

    It needs a finite fourth moment, and is too small where draws have not seen the tail.

    Args:
        z: independent draws, shape (draws, columns).
    """
    n, variance = len(z), z.var(0)
    fourth = (z - z.mean(0)).pow(4).mean(0)
    spread = (fourth - variance.square() * (n - 3) / (n - 1)).clamp(min=0)
    return (spread / (4 * n * variance.clamp(min=torch.finfo(z.dtype).tiny))).sqrt()


def _judged(error: Tensor, noise: Tensor, doubt: Tensor, note: str) -> Metric:
    if doubt.norm() > noise.norm():
        own = "the reference's own error is larger than that of the draws"
        note = f"{note}; {own}" if note else own
    return _root_mean_square(error, torch.hypot(noise, doubt), note)


def _root_mean_square(
    error: Tensor,
    noise: Tensor,
    note: str,
    unit: str = "posterior sd",
    fourth: Tensor | float = 0.0,
) -> Metric:
    """The error with the draws' noise taken off its square, and the noise of what is left.

    `fourth` is what the noise's fourth moment has beyond that of a normal.
    """
    square = (error**2 - noise**2).mean().clamp(min=0)
    value = float(square.sqrt())
    variance = ((2 * error * noise) ** 2 + 2 * noise**4 + fourth).sum() / len(error) ** 2
    se = float(variance.sqrt()) / (2 * value) if value > 0 else float(variance.sqrt().sqrt())
    return Metric(value, se, unit, "lower", note)
