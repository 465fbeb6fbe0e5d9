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


def posterior_errors(
    draws: dict[str, Tensor], exact: Moments, note: str, doubt: Moments | None = None
) -> dict[str, Figure]:
    """Root mean squared errors of the mean and of the sd, in exact posterior sds.

    Args:
        draws: site -> independent draws from the guide, shape (draws, ...).
        exact: site -> exact mean and sd, shape (...), or a reference's.
        note: on what rows.
        doubt: site -> standard errors of the two, shape (...); None where they are exact.

    Returns:
        "posterior_mean_error" and "posterior_sd_error"; their standard errors are how far the
        draws' own noise and the doubt move them.
    """
    names = [name for name in exact if name in draws]
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


def _judged(error: Tensor, noise: Tensor, doubt: Tensor, note: str) -> Figure:
    if doubt.norm() > noise.norm():
        own = "the reference's own error is larger than that of the draws"
        note = f"{note}; {own}" if note else own
    return _root_mean_square(error, torch.hypot(noise, doubt), note)


def _root_mean_square(error: Tensor, noise: Tensor, note: str) -> Figure:
    """The error with the draws' noise taken off its square, and the noise of what is left."""
    square = (error**2 - noise**2).mean().clamp(min=0)
    value = float(square.sqrt())
    variance = ((2 * error * noise) ** 2 + 2 * noise**4).sum() / len(error) ** 2
    se = float(variance.sqrt()) / (2 * value) if value > 0 else float(variance.sqrt().sqrt())
    return Figure(value, se, "posterior sd", "lower", note)
