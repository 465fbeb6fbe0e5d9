"""How far is a normal from the best one? Its ELBO's gradient at fresh draws, in its own units.

In the coordinates z of a normal, u = m + L z, let g = L^T grad log p(u). At the best normal the
means of these are 0, over z ~ N(0, I):

    r = g + z                         the gradient in a shift of the mean, in sds,
    r_i z_j  for i > j,  r_i z_i / sqrt 2     that in a change of the factor.

About the best normal the ELBO is flatter than a parabola of curvature 1 in these coordinates, or
nearly so, and half the squared norm of the gradient is what the ELBO can still rise. A mean over n
draws has noise, whose expected square is taken off.

For independent coordinates the curvature in the mean is that of log p itself, R = -E[g z^T], which
may be far from I; there the rise is half of r^T R^-1 r. R is the regression of g on z, which has
no noise where log p is quadratic. Where two halves of the draws disagree about a flat direction,
the move along it cannot be seen, and its standard error is infinite.

All this believes the gradients. By Stein's identity E[g] = E[z log p], which needs values alone;
where the two differ the log density is not smooth, and what gradients say is not believed.

Source: the identities are Bonnet's and Price's; see Opper & Archambeau 2009, "The variational
Gaussian approximation revisited".
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal

RISE = 0.02  # nats: an ELBO that can rise by less counts as the highest
FIRST_PAIRS, MORE, MOST_PAIRS = 512, 4, 32_768
FLAT = 1e-2  # share of the normal's curvature below which two halves of the draws are to agree
UNSMOOTH = 0.2  # a mean gradient, per sd, that only values show; it is worth 0.02 nats
SURE = 5.0  # standard errors


@dataclass(frozen=True)
class Shortfall:
    """How far a guide is from the best of its family, as far as draws can tell.

    For a normal that was found directly this is an estimate. For a guide that was trained by steps
    it is what the last stage still changed; see :mod:`zoo.training.stopping.stages`.

    Attributes:
        rise: by how much the ELBO can still rise, nats; or by how much the last stage changed it.
        rise_se: the standard error of `rise`, from the noise of the draws.
        move: the largest distance that a mean still has to go, in sds of the guide; or by how many
            of them the last stage moved a mean, or by what share it changed an sd.
        move_se: the standard error of `move`.
        unsmooth: by how much the gradients differ from what the values show, beyond five standard
            errors, per sd; 0 for a smooth log density, and for guides trained by steps.
        elbo: the ELBO, nats.
        elbo_se: its standard error.
    """

    rise: float
    rise_se: float
    move: float
    move_se: float
    elbo: float
    elbo_se: float
    unsmooth: float = 0.0

    def reached(self, tolerance: float) -> bool:
        """Has the guide arrived?

        The rise is below 0.02 nats, two standard errors included; the move and its standard error
        are each below the tolerance; and values agree with gradients.
        """
        risen = abs(self.rise) + 2 * self.rise_se < RISE
        moved = self.move < tolerance and self.move_se < tolerance
        return risen and moved and self.unsmooth < UNSMOOTH

    def answer(self, tolerance: float) -> str:
        """Has it arrived: "yes", "no", or "cannot tell"?"""
        if self.reached(tolerance):
            return "yes"
        return "cannot tell" if self.too_noisy(tolerance) else "no"

    def too_noisy(self, tolerance: float) -> bool:
        """Would more draws tell: is the rise within its noise, but the noise too large?"""
        risen = abs(self.rise) < max(RISE, 2 * self.rise_se)
        moved = self.move < tolerance + 2 * self.move_se
        smooth = self.unsmooth < UNSMOOTH
        return risen and moved and smooth and not self.reached(tolerance)


def shortfall(
    density: LogDensity, normal: Normal, *, correlated: bool, tolerance: float, seed: int
) -> Shortfall:
    """Looks at fresh draws, and at more of them while the noise hides the answer.

    Args:
        density: the log density.
        normal: the normal to judge.
        correlated: is its family that of full covariances, or of independent coordinates?
        tolerance: see :meth:`Shortfall.reached`.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    values, slopes, drawn = [], [], []
    count = FIRST_PAIRS
    while True:
        half = torch.randn(count, density.size, generator=generator, dtype=torch.float64)
        z = torch.cat([half, -half])
        value, slope = density.with_gradient(normal.at(z))
        drawn.append(z.unflatten(0, (2, count)))
        values.append(value.unflatten(0, (2, count)))
        slopes.append((slope @ normal.factor).unflatten(0, (2, count)))
        held = (torch.cat(part, 1) for part in (values, slopes, drawn))
        found = _measured(normal, *held, correlated=correlated)
        total = sum(part.shape[1] for part in drawn)
        if not found.too_noisy(tolerance) or total >= MOST_PAIRS:
            return found
        count = (MORE - 1) * total


def _measured(
    normal: Normal, values: Tensor, slopes: Tensor, z: Tensor, *, correlated: bool
) -> Shortfall:
    """The shortfall from pairs of draws z and -z, (2, pairs, d).

    The mean over a pair is exact in what is linear in z, so that a normal posterior leaves no
    noise in the steps of the mean.
    """
    residual, too_flat = slopes + z, False
    pairs, size = z.shape[1:]
    own = residual * z / 2**0.5
    if correlated:
        below = torch.tril_indices(size, size, offset=-1)
        means, scales = residual, [own, residual[..., below[0]] * z[..., below[1]]]
        steps = residual.mean(0)
    else:
        level, axes, too_flat = _curvature(slopes, z)
        means, scales = (residual @ axes) / level.sqrt(), [own]
        steps = (means.mean(0) / level.sqrt()) @ axes.mT
    gradient = torch.cat([means, *scales], -1).mean(0)
    mean, noise = gradient.mean(0), gradient.var(0) / pairs
    rise = 0.5 * float(mean.square().sum() - noise.sum())
    rise_se = float((mean.square() * noise + noise.square() / 2).sum().sqrt())
    log_w = values + 0.5 * z.square().sum(-1) - 0.5 * size + normal.entropy
    each = log_w.mean(0)
    elbo, elbo_se = float(each.mean()), float(each.std() / pairs**0.5)
    farthest = int(steps.mean(0).abs().argmax())
    move, move_se = float(steps.mean(0)[farthest].abs()), float(steps[:, farthest].std())
    seen = torch.inf if too_flat else move_se / pairs**0.5
    by_values = (values - values.mean(0))[..., None] * z - slopes
    apart, error = by_values.mean((0, 1)), by_values.mean(0).std(0) / pairs**0.5
    unsmooth = float((apart.abs() - SURE * error).max().clamp(min=0))
    return Shortfall(rise, rise_se, move, seen, elbo, elbo_se, unsmooth)


def _curvature(slopes: Tensor, z: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Curvatures along the axes of R, the axes, and whether a flat one is hidden by noise."""
    halves = [-_regression(z[:, part::2], slopes[:, part::2]) for part in (0, 1)]
    level, axes = torch.linalg.eigh(-_regression(z, slopes))
    along = [(axes * (half @ axes)).sum(0) for half in halves]
    hidden = (along[0] - along[1]).abs() > level / 2
    too_flat = bool((hidden & (level < FLAT)).any())
    return level.clamp(min=torch.finfo(level.dtype).tiny ** 0.5), axes, too_flat


def _regression(z: Tensor, slopes: Tensor) -> Tensor:
    """The symmetric matrix that takes z to the slopes, from pairs (2, n, d): shape (d, d)."""
    found = torch.linalg.lstsq(z.flatten(0, 1), slopes.flatten(0, 1)).solution
    return (found + found.mT) / 2
