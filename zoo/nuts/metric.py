"""The metric: positions are u = q L^T, with L L^T an estimate of the posterior covariance.

In the whitened coordinates q the momenta are standard normal, which is the same as the metric
L L^T in those of u. Windows of the warm-up grow, and at the end of each one L is estimated from
its draws of all chains together.

Source: Betancourt 2017, "A conceptual introduction to Hamiltonian Monte Carlo", section 4.2; the
windows are Stan's. Departs from Stan: chains share the metric, and correlations are shrunk.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.nuts.tree import Density

WIDEST_DENSE = 100  # latents up to which the metric is a full matrix
FIRST, BASE, LAST = 75, 25, 50  # of a warm-up of 1000 steps: before, first window, and after
SHORTEST = 150  # warm-up with the windows above; a shorter one is divided by shares
FIRST_SHARE, LAST_SHARE = 0.15, 0.1
PRIOR_DRAWS, PRIOR_VARIANCE = 5.0, 1e-3  # that a variance is shrunk to, and how many draws count


class Window(NamedTuple):
    """A part of the warm-up: its number of draws, and whether the metric is estimated after it."""

    draws: int
    estimates: bool


def windows(warmup: int) -> list[Window]:
    """The parts of a warm-up, in order; each estimating window is twice as long as the last."""
    first, last, base = FIRST, LAST, BASE
    if warmup < SHORTEST:
        first, last = int(FIRST_SHARE * warmup), int(LAST_SHARE * warmup)
        base = max(1, warmup - first - last)
    parts, left = [Window(first, estimates=False)], warmup - first - last
    while left > 0:
        base = left if left < 3 * base else base
        parts.append(Window(base, estimates=True))
        left, base = left - base, 2 * base
    return [part for part in (*parts, Window(last, estimates=False)) if part.draws]


def scale_of(draws: Tensor, *, dense: bool) -> Tensor:
    """L for draws of all chains, (n, d): a lower triangle (d, d), or if not dense its diagonal.

    A variance is shrunk as Stan does. Correlations are shrunk by n^2 / (n^2 + d^2): fewer draws
    than latents tell nothing of them.
    """
    n, d = draws.shape
    centred = draws - draws.mean(0)
    share = n / (n + PRIOR_DRAWS)
    variance = share * centred.square().sum(0) / max(1, n - 1) + (1 - share) * PRIOR_VARIANCE
    if not dense:
        return variance.sqrt()
    covariance = share * centred.T @ centred / max(1, n - 1) * (n**2 / (n**2 + d**2))
    # row after row, as compiled code expects it
    return torch.linalg.cholesky(covariance.diagonal_scatter(variance)).contiguous()


def unit_scale(size: int, *, dense: bool) -> Tensor:
    """L before anything is known."""
    return torch.eye(size) if dense else torch.ones(size)


def to_u(q: Tensor, scale: Tensor) -> Tensor:
    """U for whitened positions (..., d)."""
    return q @ scale.T if scale.dim() == 2 else q * scale


def to_q(u: Tensor, scale: Tensor) -> Tensor:
    """Whitened positions for u, (n, d)."""
    if scale.dim() == 1:
        return u / scale
    return torch.linalg.solve_triangular(scale, u.T, upper=False).T


def whitened(density: Density, scale: Tensor) -> Density:
    """The density and its gradient as functions of q."""

    def of_q(q: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = density(to_u(q, scale))
        return value, slope @ scale if scale.dim() == 2 else slope * scale

    return of_q
