"""How far a guide's mean and spread are from the exact posterior's, in posterior sds."""

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.figures.figure import Figure
from zoo.truth import HasMoments, HasPosterior

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


def posterior_errors(draws: dict[str, Tensor], exact: Moments, note: str) -> dict[str, Figure]:
    """Root mean squared errors of the mean and of the sd, in exact posterior sds.

    Args:
        draws: site -> independent draws from the guide, shape (draws, ...).
        exact: site -> exact mean and sd, shape (...).
        note: on what rows.

    Returns:
        "posterior_mean_error" and "posterior_sd_error"; their standard errors are how far the
        draws' own noise moves them.
    """
    count = len(next(iter(draws.values())))
    pairs = [(draws[name].reshape(count, -1), *exact[name]) for name in exact if name in draws]
    mean = torch.cat([(z.mean(0) - m.reshape(-1)) / s.reshape(-1) for z, m, s in pairs])
    ratio = torch.cat([z.std(0) / s.reshape(-1) for z, _, s in pairs])
    mean_noise, sd_noise = ratio / count**0.5, ratio / (2 * (count - 1)) ** 0.5
    return {
        "posterior_mean_error": _root_mean_square(mean, mean_noise, note),
        "posterior_sd_error": _root_mean_square(ratio - 1, sd_noise, note),
    }


def _root_mean_square(error: Tensor, noise: Tensor, note: str) -> Figure:
    """The error with the draws' noise taken off its square, and the noise of what is left."""
    square = (error**2 - noise**2).mean().clamp(min=0)
    value = float(square.sqrt())
    variance = ((2 * error * noise) ** 2 + 2 * noise**4).sum() / len(error) ** 2
    se = float(variance.sqrt()) / (2 * value) if value > 0 else float(variance.sqrt().sqrt())
    return Figure(value, se, "posterior sd", "lower", note)
