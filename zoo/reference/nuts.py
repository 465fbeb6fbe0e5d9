"""Long runs of the no-U-turn sampler on the continuous global latents of any model.

The chains move in unconstrained space, on the density of :mod:`zoo.sampling.joint_density`, one
after another, in double precision.

Source: Hoffman & Gelman 2014, "The no-U-turn sampler"; Vehtari et al. 2021, "Rank-normalization,
folding, and localization: an improved R-hat" (the limits).
"""

from collections.abc import Callable, Sequence

import torch
from pyro.infer import MCMC, NUTS
from torch import Tensor

from zoo.checks.arguments import number, seed_given, whole
from zoo.isolation import in_double, isolated
from zoo.latents import Model
from zoo.provenance import provenance
from zoo.reference.checks import check, summarise
from zoo.reference.posterior import Posterior, as_double
from zoo.reference.record import Reference
from zoo.task import Task, task_of

KEPT = 4000
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
    """Samples a posterior, and refuses the draws if they are not good enough for a reference.

    Args:
        model: a task, or any Pyro model; parameters stay as they are.
        *args: what the model is called with; none for a task, whose training rows are taken.
        chains: number of chains.
        draws: kept of each chain; about 4,000 of all of them are stored.
        warmup: steps of each chain in which step size and metric are found.
        seed: of starting points and chains.
        accept: target probability of acceptance; higher is slower, and diverges less.
        noncentred: sites to sample as loc + scale * eta; None for those of the model's recipe.
        shown: told of the progress, a line each time.

    Raises:
        ValueError: for latents that are discrete or belong to a data row; names the latent.
        UnreliableReferenceError: if R-hat is not below 1.01 or an effective sample size not above
            1000, for any scalar, or if a transition diverged, or if tails are too heavy for a mean
            or sd, see :mod:`zoo.reference.tails`.
    """
    task, seed = task_of(model, args), seed_given(seed)
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 1)):
        whole(name, value, least=least)
    number("accept", accept, above=0.0, below=1.0)
    usual = task.recipe.noncentred if task.recipe else ()
    sites = usual if noncentred is None else tuple(noncentred)
    with isolated(seed=seed), in_double():
        rows = tuple(as_double(arg) for arg in task.scored("train"))
        posterior = Posterior(task.build(), rows, sites)
        runs = []
        for chain in range(chains):
            torch.manual_seed(seed + 1_000_003 * (chain + 1))
            tell = _teller(shown, chain)
            runs.append(_run(posterior, draws, warmup, accept, tell))
        values = posterior.values(torch.cat([u for u, _ in runs]))
    found = summarise(values, chains)
    divergences = sum(count for _, count in runs)
    check(found, divergences)
    thin = -(-chains * draws // KEPT)
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


def _teller(shown: Report | None, chain: int) -> Callable:
    """Pyro's hook that says every hundredth step of a chain."""

    def tell(kernel: object, place: object, stage: str, i: int) -> None:
        if shown is not None and i % 100 == 0:
            shown(f"chain {chain + 1}: {stage.split()[0].lower()} {i}")

    return tell


def _run(
    posterior: Posterior, draws: int, warmup: int, accept: float, tell: Callable
) -> tuple[Tensor, int]:
    """One chain: draws of u, (draws, size), and the number of divergences."""
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
