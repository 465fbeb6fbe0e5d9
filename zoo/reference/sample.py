"""Long runs of the no-U-turn sampler on the continuous global latents of any model.

The chains run side by side, in double precision, in unconstrained space on the density of
:mod:`zoo.sampling.joint_density`, by the sampler of :mod:`zoo.nuts`.

Source: Hoffman & Gelman 2014, "The no-U-turn sampler"; Vehtari et al. 2021, "Rank-normalization,
folding, and localization: an improved R-hat" (the limits).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from pyro.infer.reparam import LocScaleReparam
from pyro.infer.reparam.reparam import Reparam

from zoo.checks.arguments import number, refusal, seed_given, whole
from zoo.isolation import in_double, isolated
from zoo.latents import Model
from zoo.models.recipe import Recipe
from zoo.provenance import provenance
from zoo.reference.checks import check, summarise
from zoo.reference.logs import require_positive, with_logs
from zoo.reference.posterior import Posterior, as_double
from zoo.reference.record import Reference
from zoo.task import Task, task_of

DRAWS_STORED = 4000  # about, of all chains together
NUMBERS_STORED = 300_000  # at most, in the draws of all sites
Report = Callable[[str], object]


def sample_reference(
    model: Task | Model,
    *args: object,
    chains: int = 4,
    draws: int = 5000,
    warmup: int = 1000,
    seed: int = 0,
    accept: float = 0.9,
    noncentred: Sequence[str] | None = None,
    reparam: Mapping[str, Reparam] | None = None,
    logs: Sequence[str] | None = None,
    init: Mapping[str, object] | None = None,
    shown: Report | None = None,
    compile: bool = True,
) -> Reference:
    """Draws from a posterior by NUTS; raises if they are not good enough for a reference.

    Args:
        model: a task, or any Pyro model; its parameters are not changed.
        *args: arguments of the model; none for a task, whose training rows are used.
        chains: number of chains.
        draws: number of draws of each chain; about 4,000 of all chains are stored.
        warmup: number of trajectories of each chain in which step size and metric are adapted.
        seed: of starting points and chains.
        accept: target acceptance probability; a higher one is slower and diverges less.
        noncentred: sites to sample as loc + scale * eta; None for those of the model's recipe.
        reparam: site -> another form to sample it in, as :func:`pyro.poutine.reparam` takes it.
            The draws are of the model's own sites all the same.
        logs: positive sites whose tails are too heavy for a mean or an sd, so that moments are of
            their logarithms; None for those of the model's recipe.
        init: site -> value near which the chains begin, of the sites that are sampled, which in
            another form are that form's; None for that of the model's recipe, or else anywhere
            within 2 of the origin of unconstrained space. Give one where a chain stays in a mode
            that holds next to nothing. Each unconstrained number begins within 0.5 of it, and
            modes that no chain comes to from there stay unknown.
        shown: called with a line of text on the progress.
        compile: run all chains in one compiled loop? It takes some seconds to compile, once for
            each model and number of chains. A model that cannot be traced runs without it.

    Raises:
        ValueError: for latents that are discrete or belong to a data row, and for a form that
            does not suit its site; names the latent.
        UnreliableReferenceError: if R-hat is not below 1.01 or an effective sample size not above
            1000, for any scalar, or if a transition diverged, or if tails are too heavy for a mean
            or sd, see :mod:`zoo.reference.tails`.
    """
    from zoo.nuts.run import Plan, sample  # brings torch's compiler, which takes seconds

    task, seed = task_of(model, args), seed_given(seed)
    _check(chains, draws, warmup, accept)
    _check_forms({} if reparam is None else reparam)
    recipe = task.recipe
    sites = _usual("noncentred", noncentred, recipe.noncentred if recipe else ())
    logged = _usual("logs", logs, recipe.logs if recipe else ())
    forms = {name: LocScaleReparam(0.0) for name in sites} | dict(reparam or {})
    init = _init(init, recipe, forms)
    with isolated(seed=seed), in_double():
        rows = tuple(as_double(arg) for arg in task.scoring_args("train"))
        plan = Plan(draws, warmup, accept, compiles=compile)
        with single_precision_named():
            posterior = Posterior(task.build(), rows, forms, chains)
            start = posterior.start(init)
            require_positive(logged, posterior.values(start))
            run = sample(posterior.slope, start, plan, shown)
            values = posterior.values(run.u.flatten(0, 1))
    found = summarise(with_logs(values, logged), chains)
    divergences = int(run.diverged.sum())
    check(found, divergences, accept)
    thin = -(-chains * draws // most_stored(posterior.density.size))
    settings = {"chains": chains, "warmup": warmup, "draws": draws, "accept": accept, "thin": thin}
    return Reference(
        model=task.name,
        data=task.data.name,
        hash=task.data.hash,
        seed=seed,
        draws={name: value[::thin].clone() for name, value in values.items()},
        **found,
        divergences=divergences,
        settings=settings | _told(posterior, sites, reparam or {}, logged, init or {}),
        provenance=provenance(task.data),
    )


def most_stored(size: int) -> int:
    """How many draws of so many numbers are stored."""
    return max(1, min(DRAWS_STORED, NUMBERS_STORED // size))


def _usual(name: str, asked: Sequence[str] | None, usual: tuple[str, ...]) -> tuple[str, ...]:
    """The sites that are asked for; those of the recipe where none are."""
    if isinstance(asked, str) or not isinstance(asked, Sequence | None):
        raise refusal(name, "a list of sites", asked, f"Pass e.g. {name}=['theta'].")
    return usual if asked is None else tuple(asked)


def _init(
    asked: Mapping[str, object] | None, recipe: Recipe | None, forms: Mapping[str, Reparam]
) -> Mapping[str, object] | None:
    """Where chains begin: as asked, or else by the recipe, whose values are of the own form."""
    return recipe.init if asked is None and recipe and not forms else asked


def _told(
    posterior: Posterior,
    noncentred: Sequence[str],
    reparam: Mapping[str, Reparam],
    logs: Sequence[str],
    init: Mapping[str, object],
) -> dict[str, object]:
    """The forms in which sites were sampled and summarised, and where chains began."""
    others = {name: type(form).__name__ for name, form in reparam.items()}
    began = {name: torch.as_tensor(value).tolist() for name, value in init.items()}
    told = {"reparam": others, "form": posterior.form, "logs": list(logs), "init": began}
    return {"noncentred": list(noncentred)} | {name: one for name, one in told.items() if one}


@contextmanager
def single_precision_named() -> Iterator[None]:
    """Says of a model that holds single-precision numbers of its own what to do.

    Raises:
        ValueError: where tensors of two precisions met.
    """
    try:
        yield
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        raise ValueError(
            "References are drawn in double precision, and the model refers to numbers in single "
            f"precision: {str(error).splitlines()[0]} Pass the data as arguments of the model, "
            "which are made double, or make what it refers to double by .double()."
        ) from error


def _check(chains: int, draws: int, warmup: int, accept: float) -> None:
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 1)):
        whole(name, value, least=least)
    number("accept", accept, above=0.0, below=1.0)


def _check_forms(reparam: object) -> None:
    """Each form must be one of Pyro's for a site."""
    way = "Pass e.g. {'theta': pyro.infer.reparam.LocScaleReparam(0.0)}."
    if not isinstance(reparam, Mapping):
        raise refusal("reparam", "a dict of sites and forms", reparam, way)
    for name, form in reparam.items():
        if not isinstance(form, Reparam):
            raise refusal(f"the form of '{name}'", "one of pyro.infer.reparam", form, way)
