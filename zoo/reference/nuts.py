"""Long runs of the no-U-turn sampler on the continuous global latents of any model.

The chains run one after another, in double precision, in unconstrained space on the density of
:mod:`zoo.sampling.joint_density`.

Source: Hoffman & Gelman 2014, "The no-U-turn sampler"; Vehtari et al. 2021, "Rank-normalization,
folding, and localization: an improved R-hat" (the limits).
"""

from collections.abc import Callable, Sequence

import torch
from pyro.infer import MCMC, NUTS
from torch import Tensor

from zoo.checks.arguments import number, seed_given, whole
from zoo.isolation import in_double, isolated, seed_all
from zoo.latents import Model
from zoo.provenance import provenance
from zoo.reference.checks import check, summarise
from zoo.reference.posterior import Posterior, as_double
from zoo.reference.record import Reference
from zoo.task import Task, task_of

DRAWS_STORED = 4000  # about, of all chains together
STEPS_PER_REPORT = 100
SEED_STEP = 1_000_003  # between the seeds of two chains
Report = Callable[[str], object]


def sample_reference(
    model: Task | Model,
    *args: object,
    chains: int = 4,
    draws: int = 5000,
    warmup: int = 1000,
    seed: int = 0,
    accept: float = 0.8,
    noncentred: Sequence[str] | None = None,
    shown: Report | None = None,
) -> Reference:
    """Draws from a posterior by NUTS; raises if they are not good enough for a reference.

    Args:
        model: a task, or any Pyro model; its parameters are not changed.
        *args: arguments of the model; none for a task, whose training rows are used.
        chains: number of chains.
        draws: number of draws of each chain; about 4,000 of all chains are stored.
        warmup: number of steps of each chain in which step size and metric are adapted.
        seed: of starting points and chains.
        accept: target acceptance probability; a higher one is slower and diverges less.
        noncentred: sites to sample as loc + scale * eta; None for those of the model's recipe.
        shown: called with a line of text on the progress.

    Raises:
        ValueError: for latents that are discrete or belong to a data row; names the latent.
        UnreliableReferenceError: if R-hat is not below 1.01 or an effective sample size not above
            1000, for any scalar, or if a transition diverged, or if tails are too heavy for a mean
            or sd, see :mod:`zoo.reference.tails`.
    """
    task, seed = task_of(model, args), seed_given(seed)
    _check(chains, draws, warmup, accept)
    usual = task.recipe.noncentred if task.recipe else ()
    sites = usual if noncentred is None else tuple(noncentred)
    with isolated(seed=seed), in_double():
        rows = tuple(as_double(arg) for arg in task.scoring_args("train"))
        posterior = Posterior(task.build(), rows, sites)
        runs = []
        for chain in range(chains):
            seed_all(seed + SEED_STEP * (chain + 1))
            runs.append(_run(posterior, draws, warmup, accept, _teller(shown, chain)))
        values = posterior.values(torch.cat([u for u, _ in runs]))
    found = summarise(values, chains)
    divergences = sum(count for _, count in runs)
    check(found, divergences)
    thin = -(-chains * draws // DRAWS_STORED)
    settings = {"chains": chains, "warmup": warmup, "draws": draws, "accept": accept}
    return Reference(
        model=task.name,
        data=task.data.name,
        hash=task.data.hash,
        seed=seed,
        draws={name: value[::thin].clone() for name, value in values.items()},
        **found,
        divergences=divergences,
        settings=settings | {"thin": thin, "noncentred": list(sites)},
        provenance=provenance(task.data),
    )


def _check(chains: int, draws: int, warmup: int, accept: float) -> None:
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 1)):
        whole(name, value, least=least)
    number("accept", accept, above=0.0, below=1.0)


def _teller(shown: Report | None, chain: int) -> Callable:
    """A hook for Pyro's MCMC that reports every hundredth step of a chain."""

    def tell(kernel: object, place: object, stage: str, i: int) -> None:
        if shown is not None and i % STEPS_PER_REPORT == 0:
            shown(f"chain {chain + 1}: {stage.split()[0].lower()} {i}")

    return tell


def _run(
    posterior: Posterior, draws: int, warmup: int, accept: float, tell: Callable
) -> tuple[Tensor, int]:
    """The draws of u of one chain, (draws, size), and its number of divergent transitions."""
    kernel = NUTS(potential_fn=posterior, full_mass=True, target_accept_prob=accept)
    sampler = MCMC(
        kernel,
        num_samples=draws,
        warmup_steps=warmup,
        initial_params={"u": posterior.start()},
        hook_fn=tell,
        disable_progbar=True,
        disable_validation=True,
    )
    sampler.run()
    (divergent,) = sampler.diagnostics()["divergences"].values()
    return sampler.get_samples()["u"], len(divergent)
