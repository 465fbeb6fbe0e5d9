"""The reference: posterior means and sds of the unconstrained latents, by long runs of NUTS.

NumPyro draws four chains from the NumPyro model of a posterior, in float64 and with a dense mass
matrix. The number of draws is doubled until R-hat is below 1.01 and no effective size is below
4,000. Divergent transitions are counted and kept in the record.
"""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.arrival.posterior import Posterior
from benchmarks.arrival.scorer import Density, Moments, in_float64
from zoo.sampling.unconstrained import to_unconstrained

CHAINS, WARMUP, FIRST_DRAWS, MOST_DRAWS = 4, 1000, 1000, 16_000
R_HAT, FEWEST = 1.01, 4000  # R-hat is below the one, and each effective size above the other


def long_run(posterior: Posterior, seed: int = 0) -> dict[str, Any]:
    """Means and sds with their Monte Carlo errors, all of length d, and how they were drawn.

    The errors `mean_se` and `sd_se` are in posterior sds.

    Raises:
        RuntimeError: if the chains do not agree after the most draws.
    """
    draws, begin = FIRST_DRAWS, time.perf_counter()
    while True:
        u, divergences = _chains(posterior, draws, seed)
        found = summary(u)
        if found["r_hat"] < R_HAT and found["effective"] > FEWEST:
            break
        if draws >= MOST_DRAWS:
            raise RuntimeError(
                f"{posterior.name}: R-hat is {found['r_hat']:.3f} and the least effective size "
                f"{found['effective']:.0f} after {draws} draws a chain."
            )
        draws *= 2
    settings = {"chains": CHAINS, "warmup": WARMUP, "draws": draws, "seed": seed}
    seconds = time.perf_counter() - begin
    return found | settings | {"divergences": divergences, "seconds": seconds}


def moments(record: dict[str, Any]) -> Moments:
    """The means and sds of a stored run."""
    mean, sd = (torch.tensor(record[name], dtype=torch.float64) for name in ("mean", "sd"))
    return Moments(mean, sd)


def summary(u: np.ndarray) -> dict[str, Any]:
    """Means, sds, their errors, the largest R-hat and the least effective size.

    Args:
        u: draws (chains, draws, d).
    """
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    mean, sd = u.mean((0, 1)), u.std((0, 1))
    squares = (u - mean) ** 2
    sizes = effective_sample_size(u), effective_sample_size(squares)
    r_hats = split_gelman_rubin(u), split_gelman_rubin(squares)
    return {
        "mean": mean.tolist(),
        "sd": sd.tolist(),
        "mean_se": (sizes[0] ** -0.5).tolist(),
        "sd_se": (squares.std((0, 1)) / sizes[1] ** 0.5 / (2 * sd**2)).tolist(),
        "r_hat": float(np.max(r_hats)),
        "effective": float(np.min(sizes)),
    }


def _chains(posterior: Posterior, draws: int, seed: int) -> tuple[np.ndarray, int]:
    """Draws of u (chains, draws, d) and the number of divergent transitions."""
    import jax
    import numpyro
    from numpyro.handlers import reparam
    from numpyro.infer import MCMC, NUTS
    from numpyro.infer.reparam import LocScaleReparam

    from benchmarks.arrival.numpyro_models import model_of

    numpyro.enable_x64()
    changed = {name: LocScaleReparam(0.0) for name in posterior.noncentred}
    model = reparam(model_of(posterior.name), config=changed)
    sampler = MCMC(
        NUTS(model, target_accept_prob=0.95, dense_mass=True),
        num_warmup=WARMUP,
        num_samples=draws,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    args = [jax.numpy.asarray(value) for value in posterior.data.values()]
    sampler.run(jax.random.PRNGKey(seed), *args, extra_fields=("diverging",))
    drawn = sampler.get_samples(group_by_chain=True)
    with in_float64():
        latents = Density(posterior).latents
        values = {s.name: torch.from_numpy(np.array(drawn[s.name])) for s in latents.sites}
        free = to_unconstrained(values, {s.name: s.support for s in latents.sites})
    u = np.concatenate([free[s.name].reshape(CHAINS, draws, -1) for s in latents.sites], -1)
    return u, int(sampler.get_extra_fields()["diverging"].sum())
