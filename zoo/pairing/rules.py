"""The rules of pairing: each says in a sentence, with a way out, why three do not go together.

Rules of ``FOR_ANY`` look at the model and the objective alone, so that they hold for any guide;
those of ``FOR_FAMILIES`` also at what a guide family declares. None of them knows a name.
"""

from collections.abc import Callable

from zoo.latents import Family, Latents
from zoo.latents.forms import form_of
from zoo.objectives import OBJECTIVES, Objective
from zoo.sites.latent import Plate


def covered(latents: Latents, family: type[Family]) -> Latents:
    """The latents that the guide's family can be put on."""
    return latents.select(*(site.name for site in latents.sites if family.handles(site)))


def _summed(latents: Latents, objective: Objective) -> set[str]:
    sites = latents.sites
    return {site.name for site in sites if site.kind in objective.needs.sums_out and site.classes}


def nothing_to_sum(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """It sums out latents of which the model has none."""
    if not objective.needs.sums_out or _summed(latents, objective):
        return None
    kinds = " or ".join(sorted(kind.value for kind in objective.needs.sums_out))
    return (
        f"{type(objective).__name__} sums out finite {kinds} latents; the model has none among "
        f"{latents.names}. Use trace."
    )


def sized(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """It lies in a plate of unknown size, so that no guide can have a part for each row."""
    for site in covered(latents, family).sites:
        for plate in site.plates:
            if plate.subsample < 0:
                return (
                    f"'{site.name}' lies in a plate without a size; {family.__name__} needs to "
                    f"know how many rows there are. {_size_it(plate)}"
                )
    return None


def _size_it(plate: Plate) -> str:
    return (
        f"Give the plate the number of rows of the argument that holds them: "
        f"pyro.plate('{plate.name}', len(x))."
    )


def coverage(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The guide leaves a latent to nobody, or has nothing to cover."""
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


def reparameterised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective differentiates through draws, and the guide's are not reparameterised."""
    summed = _summed(latents, objective)
    sampled = [name for name in covered(latents, family).names if name not in summed]
    if family.reparameterised or not objective.needs.reparameterised or not sampled:
        return None
    return (
        f"{type(objective).__name__} differentiates through the draws of '{sampled[0]}'; those of "
        f"{family.__name__} are not reparameterised. Use a relaxed guide, or an objective with a "
        "score-function term: trace_graph."
    )


def score_function(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective puts baselines on score functions, and the guide has none."""
    if not (objective.needs.score_function and family.reparameterised):
        return None
    return (
        f"{type(objective).__name__} puts baselines on draws that are not reparameterised; those "
        f"of {family.__name__} all are. Use trace, or trace_graph without baselines."
    )


def factorised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective takes a closed-form KL for each latent, and the guide draws them jointly."""
    if family.factorised or not objective.needs.factorised:
        return None
    return (
        f"{type(objective).__name__} takes each latent's KL term in closed form; "
        f"{family.__name__} draws all latents jointly. Use a factorised guide, or trace."
    )


def relaxed(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective sums over discrete values, and the guide replaces them by continuous ones."""
    summed = _summed(latents, objective) & set(covered(latents, family).names)
    if not family.relaxes or not summed:
        return None
    return (
        f"{type(objective).__name__} sums over the values of '{min(summed)}'; {family.__name__} "
        "replaces them by continuous ones. Use a discrete guide, or trace."
    )


def scores(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective multiplies a score function, and the guide relaxes its draws instead."""
    if not (family.relaxes and objective.needs.scores):
        return None
    return (
        f"{type(objective).__name__} multiplies the score of draws that are held constant; "
        f"{family.__name__} relaxes them so that they need not be. Use a discrete guide, or trace."
    )


def independent(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective moves elements one by one, and the guide's depend on each other."""
    if family.independent or not objective.needs.independent:
        return None
    return (
        f"{type(objective).__name__} moves each element of the latents on its own; those of "
        f"{family.__name__} depend on each other. Use rloo, or a guide whose latents are "
        "independent given the data."
    )


def amortised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective simulates rows, and the guide has parameters for the given rows only."""
    if family.amortised or not objective.needs.simulates_data:
        return None
    return (
        f"{type(objective).__name__} trains the guide on rows that the model simulates; "
        f"{family.__name__} has parameters of their own for the rows at hand. "
        "Use an amortised guide, or forward_kl, which simulates no data."
    )


def fixed_support(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The guide maps to a fixed support, and a latent's support depends on other values."""
    held = covered(latents, family).names
    for name, what in latents.moving:
        if name in held:
            return (
                f"{family.__name__} maps '{name}' to a support that stays as it is; that of "
                f"'{name}' depends on {what}. Let the model draw a number from a "
                "fixed support and transform it, e.g. u from Uniform(0, 1) and b = u * (1 - a), "
                "or write a guide of your own."
            )
    return None


def objection(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The family has an objection of its own to the model."""
    return family.objection(covered(latents, family))


def simulates_rows(latents: Latents, objective: Objective) -> str | None:
    """The objective simulates rows, and a latent is inferred from more than its own row."""
    if not objective.needs.simulates_data or (latents.rowwise and latents.row_args):
        return None
    plate = latents.row_plate
    if latents.rowwise and plate is not None and plate.subsample < 0:
        return (
            f"{type(objective).__name__} trains the guide on rows that the model simulates; the "
            f"plate '{plate.name}' has no size, so that no argument is known to hold them. "
            f"{_size_it(plate)}"
        )
    return (
        f"{type(objective).__name__} trains the guide on rows that the model simulates; "
        f"{latents.names} do not all belong to rows of the model's arguments. Use forward_kl, "
        "which simulates no data, or put the rows and their latents in a plate named 'data'."
    )


def derived(latents: Latents, objective: Objective) -> str | None:
    """The objective simulates rows, and the model does not observe its arguments as passed."""
    if not objective.needs.simulates_data or not latents.derived:
        return None
    return (
        f"{type(objective).__name__} shows the guide simulated rows in the place of the model's "
        f"arguments; what '{latents.derived[0]}' observes is not one as it was passed. Give the "
        "model the tensor that it observes as an argument, obs= that very tensor, or use rws with "
        "sleep=0."
    )


def forms(latents: Latents, objective: Objective) -> str | None:
    """The objective takes latents of another form, such as single bits."""
    takes = objective.needs.takes
    wanted = " or ".join(sorted(form.value for form in takes))
    for site in latents.sites:
        if takes and form_of(site) not in takes:
            return (
                f"{type(objective).__name__} takes {wanted} latents; '{site.name}' is "
                f"{form_of(site).value}, with support {site.support}. Use rloo, which takes any."
            )
    return None


def some_finite(latents: Latents, objective: Objective) -> str | None:
    """It sums over one finite latent, and there is none."""
    if not objective.needs.some_finite or any(site.classes for site in latents.sites):
        return None
    return (
        f"{type(objective).__name__} sums over one finite latent; the model has none among "
        f"{latents.names}. Use rloo, which takes any."
    )


def one_level(latents: Latents, objective: Objective) -> str | None:
    """It sums over states of a row and over states that all rows share."""
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


def shared_weights(latents: Latents, objective: Objective) -> str | None:
    """It weighs rows, and what they share is drawn once for a minibatch."""
    weighed = _summed(latents, objective) or {site.name for site in latents.sites}
    shared = [site.name for site in latents.sites if site.name in weighed and not site.local]
    if not (objective.needs.row_weights and latents.subsampled and shared):
        return None
    return (
        f"{type(objective).__name__} weighs independent rows; under a minibatch all rows share "
        f"'{shared[0]}', so no weight of a row's own exists. Use all rows at once, or trace."
    )


def random_terms(latents: Latents, objective: Objective) -> str | None:
    """It takes the log of a mean of weights, each of which is itself a random estimate."""
    rows = latents.row_plate.name if latents.row_plate is not None else None
    inner = [name for name in latents.drawn_plates if name != rows]
    if not (objective.needs.nonlinear and inner):
        return None
    return (
        f"{type(objective).__name__} takes the logarithm of a mean of weights; under plate "
        f"'{inner[0]}', of which the model draws a part, each weight is a random estimate whose "
        "logarithm is biased: no bound. Give that plate all of its elements (no subsample_size), "
        "or use trace."
    )


def own_objection(latents: Latents, objective: Objective) -> str | None:
    """It asks something of the model that only it knows of."""
    return objective.objection(latents)


FOR_FAMILIES: tuple[Callable[[Latents, type[Family], Objective], str | None], ...] = (
    nothing_to_sum,
    coverage,
    sized,
    fixed_support,
    objection,
    reparameterised,
    score_function,
    factorised,
    relaxed,
    scores,
    independent,
    amortised,
)
FOR_ANY: tuple[Callable[[Latents, Objective], str | None], ...] = (
    forms,
    some_finite,
    simulates_rows,
    derived,
    one_level,
    shared_weights,
    random_terms,
    own_objection,
)
