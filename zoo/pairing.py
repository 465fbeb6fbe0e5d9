"""Which guide goes with which model and objective, decided by what they declare alone."""

import sys
from collections.abc import Callable
from functools import partial

from zoo.latents import Family, Latents
from zoo.objectives import OBJECTIVES, Objective


class PairingError(ValueError):
    """A model, a guide and an objective that do not go together."""


def covered(latents: Latents, guide: type[Family]) -> Latents:
    """The latents that the guide's family can be put on."""
    return latents.select(*(site.name for site in latents.sites if guide.handles(site)))


def mismatch(latents: Latents, guide: Callable, objective: Objective) -> str | None:
    """Why the three do not go together, in a sentence with a way out; None if they do.

    Args:
        latents: from :func:`zoo.describe`.
        guide: a guide class of the zoo, a partial of one, or an instance. Of other guides nothing
            is declared, so nothing is refused here.
        objective: what is to be minimised.
    """
    family = _family(guide)
    if family is None:
        return _one_level(latents, objective) or _shared_weights(latents, objective)
    checks = (
        _nothing_to_sum,
        _coverage,
        _reparameterised,
        _score_function,
        _factorised,
        _relaxed,
        _scores,
        _finite,
        _independent,
    )
    found = (check(latents, family, objective) for check in checks)
    sentence = next((sentence for sentence in found if sentence), None)
    return sentence or _one_level(latents, objective) or _shared_weights(latents, objective)


def check(latents: Latents, guide: Callable, objective: Objective) -> None:
    """Raises what :func:`mismatch` finds.

    Raises:
        PairingError: with the sentence.
    """
    sentence = mismatch(latents, guide, objective)
    if sentence:
        raise PairingError(sentence)


def _family(guide: Callable) -> type[Family] | None:
    if isinstance(guide, partial):
        return _family(guide.func)
    family = guide if isinstance(guide, type) else type(guide)
    return family if issubclass(family, Family) else None


def _summed(latents: Latents, objective: Objective) -> set[str]:
    sites = latents.sites
    return {site.name for site in sites if site.kind in objective.needs.sums_out and site.classes}


def _nothing_to_sum(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    if not objective.needs.sums_out or _summed(latents, objective):
        return None
    kinds = " or ".join(sorted(kind.value for kind in objective.needs.sums_out))
    return (
        f"{type(objective).__name__} sums out finite {kinds} latents; the model has none among "
        f"{latents.names}. Use trace."
    )


def _coverage(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    held, summed = covered(latents, family).names, _summed(latents, objective)
    left = [site for site in latents.sites if site.name not in (*held, *summed)]
    if not left and (held or not family.kinds):
        return None
    if not left:
        return (
            f"{family.__name__} covers {_says(family)} latents; the model has none besides "
            f"{sorted(summed)}, which the objective sums out. Use a guide for discrete latents, "
            "or Empty, which leaves all of them to the objective."
        )
    site = left[0]
    way_out = f"Use a guide for {site.scope} {site.kind.value} latents"
    names = [name for name, other in OBJECTIVES.items() if site.kind in other.needs.sums_out]
    if names and site.classes:
        way_out += f", or an objective that sums it out: {', '.join(names)}"
    return (
        f"{family.__name__} covers {_says(family)} latents; '{site.name}' is {site.scope} and "
        f"{site.kind.value}, with support {site.support}. {way_out}."
    )


def _says(family: type[Family]) -> str:
    scopes = " or ".join(sorted(family.scopes)) if len(family.scopes) < 2 else ""
    kinds = " or ".join(sorted(kind.value for kind in family.kinds)) or "no"
    return f"{scopes} {kinds}".strip()


def _reparameterised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    summed = _summed(latents, objective)
    sampled = [name for name in covered(latents, family).names if name not in summed]
    if family.reparameterised or not objective.needs.reparameterised or not sampled:
        return None
    return (
        f"{type(objective).__name__} differentiates through the draws of '{sampled[0]}'; those of "
        f"{family.__name__} are not reparameterised. Use a relaxed guide, or an objective with a "
        "score-function term: trace_graph."
    )


def _score_function(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    if not (objective.needs.score_function and family.reparameterised):
        return None
    return (
        f"{type(objective).__name__} puts baselines on draws that are not reparameterised; those "
        f"of {family.__name__} all are. Use trace, or trace_graph without baselines."
    )


def _factorised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    if family.factorised or not objective.needs.factorised:
        return None
    return (
        f"{type(objective).__name__} takes each latent's KL term in closed form; "
        f"{family.__name__} draws all latents jointly. Use a factorised guide, or trace."
    )


def _relaxed(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    summed = _summed(latents, objective) & set(covered(latents, family).names)
    if not family.relaxes or not summed:
        return None
    return (
        f"{type(objective).__name__} sums over the values of '{min(summed)}'; {family.__name__} "
        "replaces them by continuous ones. Use a discrete guide, or trace."
    )


def _scores(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    if not (family.relaxes and objective.needs.scores):
        return None
    return (
        f"{type(objective).__name__} multiplies the score of draws that are held constant; "
        f"{family.__name__} relaxes them so that they need not be. Use a discrete guide, or trace."
    )


def _finite(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    needs = objective.needs
    least, most = (2, 2) if needs.binary else (2 if needs.finite else 0, sys.maxsize)
    for site in latents.sites:
        if not least <= site.classes <= most:
            wanted = "binary" if needs.binary else "binary or categorical"
            return (
                f"{type(objective).__name__} takes {wanted} latents; '{site.name}' has support "
                f"{site.support}. Use rloo, which takes any."
            )
    return None


def _independent(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    if family.independent or not (objective.needs.binary or objective.needs.finite):
        return None
    return (
        f"{type(objective).__name__} moves each latent on its own; {family.__name__} draws one "
        "given another. Use rloo, or a guide whose latents are independent given the data."
    )


def _one_level(latents: Latents, objective: Objective) -> str | None:
    summed = [latents[name] for name in sorted(_summed(latents, objective))]
    shared = [site.name for site in summed if not site.local]
    own = [site.name for site in summed if site.local]
    if not (objective.needs.row_weights and shared and own):
        return None
    return (
        f"{type(objective).__name__} sums over the states of one row, or over what all rows "
        f"share; '{own[0]}' belongs to a row and '{shared[0]}' is shared. Use Pyro's "
        "TraceEnum_ELBO, which sums over both."
    )


def _shared_weights(latents: Latents, objective: Objective) -> str | None:
    weighed = _summed(latents, objective) or {site.name for site in latents.sites}
    shared = [site.name for site in latents.sites if site.name in weighed and not site.local]
    if not (objective.needs.row_weights and latents.subsampled and shared):
        return None
    return (
        f"{type(objective).__name__} weighs independent rows; under a minibatch all rows share "
        f"'{shared[0]}', so no weight of a row's own exists. Use all rows at once, or trace."
    )
