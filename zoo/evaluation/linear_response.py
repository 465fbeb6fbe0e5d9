"""Covariances that a mean-field fit does not hold, from how its means answer a change of the data.

A mean-field normal has no correlations, and its sds are too small where the posterior has some.
Its means are better: add t times a latent u_j to the log density, and the exact posterior mean of
u_i moves by t Cov(u_i, u_j). The means of the best normal move too, and how far is known from the
second derivatives of the ELBO on fixed draws, F(m, log s) with means m and sds s:

    Cov = the block of the means in the inverse of minus the Hessian of F.

For a normal posterior that is its exact covariance. Elsewhere it is as good as the means are.

Departs from the paper: the whole Hessian is taken, by differences of gradients in float64, in the
place of a few columns by conjugate gradients.

Source: Giordano, Ingram & Broderick 2024, "Black box variational inference with a deterministic
objective: faster, more accurate, and even more black box", section on linear response.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import biject_to

from zoo.checks.arguments import refusal, whole
from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.normals.dadvi import Best, dadvi
from zoo.normals.log_density import LogDensity, in_float64
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.placement import place_in
from zoo.results.result import Fit
from zoo.sampling.draws import draw_latents

MOST_NUMBERS = 200  # of a model's latents: the Hessian takes four times as many gradients
STEP = 1e-4  # of the differences, in sds of the normal
STARTING_DRAWS = 1000


@dataclass(frozen=True)
class LinearResponse:
    """Sds and covariances on the unconstrained scale, those of a log where a latent is positive.

    Attributes:
        sd: site -> sds by linear response, in the shape of the unconstrained latent.
        sd_se: site -> their standard errors, from one set of fixed draws to another.
        mean_field_sd: site -> sds of the mean-field normal, to compare.
        covariance: of all numbers, site by site, shape (d, d), float64.
        draws: fixed draws in one set.
    """

    sd: dict[str, Tensor]
    sd_se: dict[str, Tensor]
    mean_field_sd: dict[str, Tensor]
    covariance: Tensor
    draws: int


def linear_response(fit: Fit, *, seeds: int = 4) -> LinearResponse:
    """The posterior's covariance by linear response, for a mean-field fit found by DADVI.

    Args:
        fit: of ``MeanField``, ``AutoNormal`` or ``AutoDiagonalNormal`` with optimizer "dadvi",
            which is usual where all unknowns are latents that rows share.
        seeds: sets of fixed draws, at least 2; their spread is the error.

    Returns:
        Sds with their errors, and the covariance, on the unconstrained scale.

    Raises:
        ValueError: for another guide or optimizer, a fit that has not converged, a model with
            parameters of its own, more than 200 latent numbers, or second derivatives that have
            no such inverse.

    Example:
        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("linear_regression"), guides.MeanField)
        >>> found = zoo.linear_response(fit)
        >>> bool((found.sd["beta"] > found.mean_field_sd["beta"]).all())
        True
    """
    whole("seeds", seeds, least=2)
    _refuse(fit)
    args, program = tuple(fit.task.scoring_args("train")), fit.program
    with isolated(seed=fit.settings.seed), in_eval_mode([program]):
        density = in_float64(fit.task.build(), args, program.kwargs, program)
        if density.size > MOST_NUMBERS:
            way = "Use full_rank, or hold some latents by conditioning the model on them."
            raise refusal("the latents", f"{MOST_NUMBERS} numbers at most", density.size, way)
        start = _normal_of(fit, args)
        found = [_best(density, start, fit.settings.tolerance, seed) for seed in range(seeds)]
        each = torch.stack([_covariance(density, *pair) for pair in found])
    sds = each.diagonal(dim1=-2, dim2=-1).sqrt()
    mean_field = torch.stack([best.normal.sd for best, _ in found]).mean(0)
    return LinearResponse(
        sd=_by_site(density, sds.mean(0)),
        sd_se=_by_site(density, sds.std(0) / seeds**0.5),
        mean_field_sd=_by_site(density, mean_field),
        covariance=each.mean(0),
        draws=found[0][0].draws,
    )


def _refuse(fit: Fit) -> None:
    name, place = type(fit.guide).__name__, place_in(fit.guide)
    if place is None or not place.whole or place.correlated:
        way = "Fit MeanField; a guide with correlations holds its own covariance."
        raise refusal("the guide", "a mean-field normal", name, way)
    if not fit.settings.dadvi:
        way = "Fit with optimizer='dadvi', which ends at an optimum on fixed draws."
        raise refusal("the fit", "one found by DADVI", f"one by steps of {name}", way)
    if fit.stopped != "converged":
        way = "Fit with more steps; the response is that of an optimum."
        raise refusal("the fit", "one that converged", fit.stopped, way)
    trained = [parameter for parameter in fit.program.parameters() if parameter.requires_grad]
    own = fit.program.of_model()
    if not fit.settings.freeze_model and any(id(parameter) in own for parameter in trained):
        way = "Give it a prior by pyro.sample, or hold it with freeze_model=True."
        raise refusal("the model", "one without parameters of its own", "some to train", way)


def _normal_of(fit: Fit, args: tuple) -> Normal:
    """The fit's normal, from draws: a start, from which the optimum is found anew."""
    drawn = draw_latents(fit.program, args, STARTING_DRAWS)
    sites = [site for site in fit.latents.sites if site.name in drawn]
    parts = [biject_to(s.support).inv(drawn[s.name]).reshape(STARTING_DRAWS, -1) for s in sites]
    u = torch.cat(parts, 1).double().cpu()
    return Normal(u.mean(0), torch.diag(u.std(0)))


def _best(density: LogDensity, start: Normal, tolerance: float, seed: int) -> tuple[Best, Tensor]:
    """The best normal on a set of fixed draws, and these draws."""
    *_, best = dadvi(density, start, correlated=False, tolerance=tolerance, seed=seed)
    return best, balanced_draws(best.draws, density.size, seed)


def _covariance(density: LogDensity, best: Best, z: Tensor) -> Tensor:
    """The means' block of the inverse of minus F's Hessian, shape (d, d)."""
    mean, sd, size = best.normal.mean, best.normal.sd, density.size

    def gradient(moved: Tensor) -> Tensor:
        """Of F in means in units of sds, and in log sds, shape (2 d,)."""
        scale = sd * moved[size:].exp()
        _, slopes = density.with_gradient(mean + sd * moved[:size] + z * scale)
        return torch.cat([sd * slopes.mean(0), scale * (slopes * z).mean(0) + 1])

    steps = STEP * torch.eye(2 * size, dtype=torch.float64)
    hessian = torch.stack([gradient(step) - gradient(-step) for step in steps]) / (2 * STEP)
    precision = -(hessian + hessian.mT) / 2
    factor, failed = torch.linalg.cholesky_ex(precision)
    if bool(failed) or not bool(factor.isfinite().all()):
        lowest = float(torch.linalg.eigvalsh(precision.nan_to_num()).min())
        way = "The optimum is flat or a saddle: use full_rank, whose covariance is its own."
        raise refusal("minus the ELBO's second derivatives", "positive definite", lowest, way)
    inverse = torch.cholesky_inverse(factor)[:size, :size]
    return sd[:, None] * inverse * sd


def _by_site(density: LogDensity, numbers: Tensor) -> dict[str, Tensor]:
    columns = density.joint.columns
    parts = numbers.split(columns.sizes)
    return {
        site.name: part.reshape((*site.batch_shape, *site.unconstrained_shape))
        for site, part in zip(columns.sites, parts, strict=True)
    }
