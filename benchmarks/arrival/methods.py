"""The methods: the zoo's default and its rivals, each from a posterior to a normal over u.

The rivals run as their users run them:

- `adam`: zoo.fit with Adam for 10,000 steps at five fixed learning rates. The fit of the highest
  scored ELBO is taken, which favours this rival: no user has the scorer.
- `numpyro`: SVI with AutoNormal or AutoMultivariateNormal, Adam(0.01), 10,000 steps, one particle.
- `pymc`: pm.fit with all its defaults: 10,000 steps of "advi" or "fullrank_advi".
- `dadvi`: DADVI as its paper has it; see `fixed_draws.py`. It has no full-rank form.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

import guides
import zoo
from benchmarks.arrival.fixed_draws import dadvi
from benchmarks.arrival.posterior import Posterior
from benchmarks.arrival.scorer import Density, elbo, in_float64
from guides.parts.cholesky import cholesky_factor
from guides.parts.plates import positive
from zoo.normals.normal import Normal
from zoo.normals.shortfall import Shortfall
from zoo.results.convergence import Convergence
from zoo.results.result import Fit

FAMILIES = {"mean_field": guides.MeanField, "full_rank": guides.FullRank, "iaf": guides.IAF}
NORMAL_FAMILIES = ("mean_field", "full_rank")
STEPS = 10_000  # of Adam and of NumPyro's SVI
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
NUMPYRO_RATE = 0.01


@dataclass(frozen=True)
class Found:
    """What a method found.

    Attributes:
        normal: over the unconstrained latents; None if it diverged, or for a flow.
        seconds: wall time, with all compilation.
        evaluations: gradients of log p at a point, in all; None if that is not known.
        said: what it said of itself: why it stopped, its check of convergence, its warnings.
        fit: the zoo's fit, for a flow.
    """

    normal: Normal | None
    seconds: float
    evaluations: int | None
    said: dict[str, Any] = field(default_factory=dict)
    fit: Fit | None = None


def by_zoo(posterior: Posterior, family: str, seed: int) -> Found:
    """zoo.fit with nothing but the model, the guide, the data and a seed."""
    args, begin = posterior.args(), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = zoo.fit(posterior.model, FAMILIES[family], *args, seed=seed)
        except zoo.DivergenceError as error:
            fit = error.fit
    seconds = time.perf_counter() - begin
    said = {
        "stopped": fit.stopped,
        "convergence": _as_json(fit.convergence),
        "difficulties": [difficulty.kind for difficulty in fit.difficulties],
        "warnings": sorted({str(one.message) for one in caught}),
    }
    return Found(_normal_of(fit), seconds, fit.evaluations, said, fit)


def by_adam(posterior: Posterior, family: str, seed: int) -> Found:
    """The best of five learning rates; seconds and evaluations are those of all five."""
    args, begin = posterior.args(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = zoo.fit(
            posterior.model,
            FAMILIES[family],
            *args,
            optimizer="adam",
            until="steps",
            steps=STEPS,
            lr=RATES,
            replicas=len(RATES),
            seed=len(RATES) * seed,
        )
    seconds = time.perf_counter() - begin
    normals = [None if fit.stopped == "diverged" else _normal_of(fit) for fit in fits]
    with in_float64():
        density = Density(posterior)
        elbos = [-math.inf if q is None else _or_lowest(elbo(density, q)[0]) for q in normals]
    best = int(np.argmax(elbos))
    evaluations = sum(len(fit.losses) for fit in fits)
    return Found(normals[best], seconds, evaluations, {"lr": RATES[best]})


def by_numpyro(posterior: Posterior, family: str, seed: int) -> Found:
    """SVI of NumPyro with its automatic guide, in float32 as by default."""
    import jax
    import numpyro
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal

    from benchmarks.arrival.numpyro_models import model_of

    model, args = model_of(posterior.name), [jax.numpy.asarray(x) for x in posterior.data.values()]
    begin = time.perf_counter()
    guide = (AutoNormal if family == "mean_field" else AutoMultivariateNormal)(model)
    svi = SVI(model, guide, numpyro.optim.Adam(NUMPYRO_RATE), Trace_ELBO())
    ran = svi.run(jax.random.PRNGKey(seed), STEPS, *args, progress_bar=False)
    params = {name: np.asarray(value, dtype=float) for name, value in ran.params.items()}
    seconds = time.perf_counter() - begin
    blocks = _blocks(posterior)
    if family == "mean_field":
        mean, sd = (
            np.concatenate([params[f"{name}_auto_{part}"].ravel() for name in blocks])
            for part in ("loc", "scale")
        )
        return Found(_diagonal(mean, sd), seconds, STEPS)
    order = np.zeros(len(params["auto_loc"]), dtype=int)
    for name, numbers in guide._unpack_latent(np.arange(len(order))).items():
        order[np.asarray(numbers, dtype=int).ravel()] = blocks[name][0]
    factor = params["auto_scale_tril"]
    return Found(_reordered(params["auto_loc"], factor @ factor.T, order), seconds, STEPS)


def by_pymc(posterior: Posterior, family: str, seed: int) -> Found:
    """ADVI of PyMC with all its defaults."""
    import logging

    import pymc as pm

    from benchmarks.arrival.pymc_models import model_of

    logging.getLogger("pymc").setLevel(logging.ERROR)
    method = "advi" if family == "mean_field" else "fullrank_advi"
    begin = time.perf_counter()
    model = model_of(posterior.name, posterior.data)
    with model:
        try:
            found = pm.fit(method=method, random_seed=seed, progressbar=False)
        except FloatingPointError as error:
            return Found(None, time.perf_counter() - begin, None, {"stopped": str(error)[:200]})
    mean, steps = found.mean.eval(), len(found.hist)
    seconds = time.perf_counter() - begin
    blocks = _blocks(posterior)
    sites = {value.name: rv.name for value, rv in model.values_to_rvs.items()}
    order = np.concatenate([np.array(blocks[sites[name]][0]) for name in found.ordering])
    covariance = found.cov.eval()
    return Found(_reordered(mean, covariance, order), seconds, steps)


def by_dadvi(posterior: Posterior, family: str, seed: int) -> Found:
    """DADVI with 30 draws, from zero."""
    assert family == "mean_field"
    begin = time.perf_counter()
    with in_float64():
        density = Density(posterior)
        normal, result = dadvi(density, seed)
    said = {"stopped": "converged" if result.success else str(result.message)}
    return Found(normal, time.perf_counter() - begin, density.evaluations, said)


METHODS: dict[str, tuple[Callable[[Posterior, str, int], Found], tuple[str, ...]]] = {
    "zoo": (by_zoo, (*NORMAL_FAMILIES, "iaf")),
    "adam": (by_adam, NORMAL_FAMILIES),
    "numpyro": (by_numpyro, NORMAL_FAMILIES),
    "pymc": (by_pymc, NORMAL_FAMILIES),
    "dadvi": (by_dadvi, ("mean_field",)),
}


def _normal_of(fit: Fit) -> Normal | None:
    """The normal of a mean-field or full-rank guide; None for a flow."""
    guide = fit.program.guide
    with torch.no_grad():
        if isinstance(guide, guides.MeanField):
            mean = torch.cat([loc.flatten() for loc in guide.loc])
            sd = torch.cat([positive(raw).flatten() for raw in guide.unconstrained_scale])
            return _diagonal(mean.double().numpy(), sd.double().numpy())
        if isinstance(guide, guides.FullRank):
            factor = cholesky_factor(guide.factor.double(), len(guide.loc))
            return Normal(guide.loc.detach().double(), factor)
    return None


def _diagonal(mean: np.ndarray, sd: np.ndarray) -> Normal | None:
    if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
        return None
    return Normal(torch.from_numpy(mean), torch.diag(torch.from_numpy(sd)))


def _reordered(mean: np.ndarray, covariance: np.ndarray, order: np.ndarray) -> Normal | None:
    """The normal in the zoo's order; `order` holds the place in u of each number.

    None if it is not finite, or its covariance not positive definite.
    """
    back = np.argsort(order)
    moved = torch.from_numpy(covariance[np.ix_(back, back)])
    if not (np.isfinite(mean).all() and bool(moved.isfinite().all())):
        return None
    factor, failed = torch.linalg.cholesky_ex(moved)
    return None if failed else Normal(torch.from_numpy(mean[back]), factor)


def _blocks(posterior: Posterior) -> dict[str, tuple[range, torch.Size]]:
    with in_float64():
        return Density(posterior).blocks


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _as_json(found: Convergence | Shortfall | None) -> dict[str, float | None] | None:
    """A check of convergence as JSON, infinities left out; None where there was none."""
    if found is None:
        return None
    return {name: x if math.isfinite(x) else None for name, x in asdict(found).items()}
