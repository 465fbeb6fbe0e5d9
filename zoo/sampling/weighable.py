"""Are importance weights defined: is log q a density, and is log p(x, z) a fixed number?"""

from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Delta
from pyro.distributions.util import scale_and_mask
from pyro.poutine.trace_struct import Trace
from torch import Tensor
from torch.distributions import Independent

from zoo.isolation import isolated
from zoo.latents import Family, Kind, Latents
from zoo.program import Program
from zoo.sites.latent import Latent
from zoo.traces import Traces, plate_scale, run, sample_sites, score, sum_plates

NOTED_ROUNDING = 0.01  # nats of rounding error, from which on a note says so
LARGEST_ROUNDING = 1.0  # nats; with more, weights are refused
POINT_MASS = (
    "the guide puts {names} at a point, which has no density: there is no bound and no weight. "
    "Use a guide with a spread, such as AutoMultivariateNormal for AutoLaplaceApproximation, or "
    "amortised_normal for amortised_point"
)


def require_weights(program: Program, args: tuple, picked: Tensor | None) -> None:
    """Refuses a pair whose importance weights are not defined.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device; of independent rows some are enough.
        picked: indices of those rows, shape (rows,); None for all of them.

    Raises:
        ValueError: with the reason, and what to do.
    """
    require_whole(program.latents)
    require_certain(program, args, picked)
    require_density(program, args, picked)


def require_certain(program: Program, args: tuple, picked: Tensor | None) -> None:
    """Refuses a model whose log density of one draw changes from run to run.

    One draw of the guide is scored twice. Two kinds of models are not checked: where the guide
    leaves latents out, since the model draws these anew in each run; and models that subsample a
    plate, which :func:`require_whole` refuses.

    Raises:
        ValueError: with the two densities.
    """
    latents = program.latents
    if latents.drawn_plates or program.guided not in (None, frozenset(latents.names)):
        return
    first = _traces(program, args, picked)
    with isolated(seed=1), torch.no_grad(), poutine.block(), program.handlers(picked):
        again = score(program.pair.model, first.guide, args, program.kwargs)
    terms, anew = _terms(first.model), _terms(again.model)
    if not _are_close(terms, anew):
        one, other = (float(sum(term.sum() for term in them.values())) for them in (terms, anew))
        raise ValueError(
            f"the model's log-density of one draw was {one:.6g} nats and then {other:.6g}: it "
            "draws noise outside of pyro.sample, as torch.randn does, so its density is random. "
            "Draw that noise by pyro.sample, which makes it a latent, or hold it fixed"
        )


def _terms(trace: Trace) -> dict[str, Tensor]:
    return {str(site["name"]): site["log_prob"] for site in sample_sites(trace)}  # type: ignore[misc]


def _are_close(terms: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    """Are the terms equal up to rounding? A GPU may sum in another order each time."""
    return terms.keys() == others.keys() and all(
        term.shape == others[name].shape
        and torch.allclose(term, others[name], rtol=1e-5, atol=1e-5, equal_nan=True)
        for name, term in terms.items()
    )


def require_whole(latents: Latents) -> None:
    """Refuses a model that subsamples one of its plates.

    Raises:
        ValueError: naming the plate.
    """
    if latents.drawn_plates:
        raise ValueError(
            f"the model holds a part of plate '{latents.drawn_plates[0]}' at a time, so its "
            "density is a random estimate; give that plate all of its elements (no "
            "subsample_size) to score it"
        )


def require_prior(program: Program, args: tuple, picked: Tensor | None) -> None:
    """Refuses a model whose prior is no density, so that no chain can start from it.

    Raises:
        ValueError: naming the latents that poutine.scale scales.
    """
    names = set(program.latents.names)
    sites = sample_sites(_traces(program, args, picked).model)
    scaled = [str(site["name"]) for site in sites if site["name"] in names and _is_scaled(site)]
    if scaled:
        raise ValueError(
            f"chains start from the prior, and poutine.scale makes that of {_listed(scaled)} no "
            "density; log_evidence, from the guide's weights, counts it as it stands"
        )


def require_density(program: Program, args: tuple, picked: Tensor | None) -> None:
    """Refuses a guide whose log q is not the log density of the latents that it draws.

    Raises:
        ValueError: for a guide with a point mass on continuous latents, or with auxiliary values
            that are not a bijection of the latents.
    """
    if isinstance(program.guide, Family) and program.guide.has_density:
        return  # the tests check the density of each family of the zoo
    still = points(program, args, picked)
    if still:
        raise ValueError(POINT_MASS.format(names=still))
    sites = _guide_sites(program, args, picked, seed=0)
    _check_auxiliary(sites, _deltas(sites, program.latents), program.latents)


def points(program: Program, args: tuple, picked: Tensor | None) -> list[str]:
    """The continuous latents on which the guide has a point mass: all its draws are equal."""
    sites = _guide_sites(program, args, picked, seed=0)
    deltas = _deltas(sites, program.latents)
    if not deltas:
        return []
    again = _guide_sites(program, args, picked, seed=1)
    return [name for name in deltas if torch.equal(sites[name]["value"], again[name]["value"])]


def _check_auxiliary(sites: dict[str, Any], deltas: list[str], latents: Latents) -> None:
    """Raises unless there are as many auxiliary numbers as unconstrained numbers made of them."""
    extra = {
        name: site["value"].numel()
        for name, site in sites.items()
        if site["infer"].get("is_auxiliary") and not site["is_observed"]
    }
    made = sum(_unconstrained_size(sites[name], latents[name]) for name in deltas)
    if sum(extra.values()) != made:
        raise ValueError(
            f"the guide draws {sum(extra.values())} auxiliary numbers {sorted(extra)} for {made} "
            "of the latents, so that log q of the latents alone is not known; draw each latent "
            "from a density, or as many auxiliary numbers as a bijection takes"
        )


def about_density(program: Program, args: tuple, picked: Tensor | None) -> str:
    """A note on how the densities differ from log p(x, z) and log q(z); "" if they do not."""
    traces = _traces(program, args, picked)
    sites = sample_sites(traces.model)
    scaled = [str(site["name"]) for site in sites if _is_scaled(site)]
    masked = [str(site["name"]) for site in sites if _is_masked(site)]
    guided = [str(site["name"]) for site in sample_sites(traces.guide) if _is_scaled(site)]
    notes = [f"of a density that scales {_listed(scaled)} by poutine.scale"] if scaled else []
    if guided:
        notes.append(f"no evidence: the guide scales log q of {_listed(guided)} by poutine.scale")
    notes += [f"without the masked part of {_listed(masked)}"] if masked else []
    return "; ".join(notes)


def rounding(program: Program, args: tuple, picked: Tensor | None) -> str:
    """A note on the rounding error of a log-weight; "" if it is below 0.01 nats.

    A log-weight is a difference of two sums, so it is no more exact than their last place.

    Raises:
        ValueError: if it is more than a nat.
    """
    traces, latents = _traces(program, args, picked), program.latents
    sites = [*sample_sites(traces.model), *sample_sites(traces.guide)]
    terms = [_size(dict(site), latents) for site in sites]
    if not terms:
        return ""
    largest = max(float(term.max()) for term in terms)
    digit = torch.finfo(terms[0].dtype).eps * largest
    if digit > LARGEST_ROUNDING:
        raise ValueError(
            f"log-probabilities of {largest:.1g} nats are rounded to {digit:.1g} nats in "
            f"{terms[0].dtype}, so that their difference is not known. Standardise the data, or "
            "use float64"
        )
    return f"rounding to {digit:.1g} nats" if digit > NOTED_ROUNDING else ""


def _size(site: dict, latents: Latents) -> Tensor:
    """Sum of the absolute values of the terms that a site adds to one log-weight."""
    term = scale_and_mask(site["unscaled_log_prob"].abs(), site["scale"], site["mask"])
    plate = latents.row_plate if latents.rowwise else None
    inside = plate is not None and plate.name in {f.name for f in site["cond_indep_stack"]}
    return sum_plates(term, site, latents, keep_rows=inside).nan_to_num(posinf=0.0)  # type: ignore[arg-type]


def _traces(program: Program, args: tuple, picked: Tensor | None) -> Traces:
    pair = program.pair
    with isolated(seed=0), torch.no_grad(), poutine.block(), program.handlers(picked):
        return run(pair.model, pair.guide, args, program.kwargs)


def _guide_sites(
    program: Program, args: tuple, picked: Tensor | None, *, seed: int
) -> dict[str, Any]:
    with isolated(seed=seed), torch.no_grad(), poutine.block(), program.handlers(picked):
        trace = poutine.trace(program.guide).get_trace(*args, **program.kwargs)
    trace = poutine.util.prune_subsample_sites(trace)
    return {str(site["name"]): site for site in sample_sites(trace)}


def _deltas(sites: dict[str, Any], latents: Latents) -> list[str]:
    """The continuous latents that the guide draws from a Delta."""
    names = [site.name for site in latents.sites if site.kind is Kind.CONTINUOUS]
    return [name for name in names if _is_delta(sites.get(name))]


def _is_delta(site: Any) -> bool:
    fn = None if site is None else site["fn"]
    while isinstance(fn, Independent):
        fn = fn.base_dist
    return isinstance(fn, Delta)


def _unconstrained_size(site: Any, latent: Latent) -> int:
    return site["value"].numel() // latent.event_shape.numel() * latent.unconstrained_shape.numel()


def _is_scaled(site: Any) -> bool:
    scale = torch.as_tensor(site["scale"], dtype=torch.float64)
    return not bool(torch.isclose(scale, scale.new_tensor(plate_scale(site))).all())


def _is_masked(site: Any) -> bool:
    return site["mask"] is not None and not bool(torch.as_tensor(site["mask"]).all())


def _listed(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
