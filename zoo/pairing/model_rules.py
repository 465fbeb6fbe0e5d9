"""The rules of pairing that look at the model and the objective alone; they hold for any guide.

Each says in a sentence, with a way out, why the two do not go together. No rule refers to a class
by its name.
"""

from collections.abc import Callable

from zoo.latents import Latents
from zoo.latents.forms import form_of
from zoo.objectives import Objective
from zoo.pairing.covered import summed_out
from zoo.sites.latent import Plate
from zoo.sites.supports import in_words


def constants(latents: Latents, objective: Objective) -> str | None:
    """The model's log p leaves out a constant of its parameters, or the objective expects that."""
    name = type(objective).__name__
    if latents.energy_units and not objective.needs.energy:
        return (
            f"The model's log p leaves out log Z, a constant of its parameters whose gradient "
            f"{name} does not estimate: its loss would fall without end. Use an objective for "
            "energies: pcd or cd."
        )
    if objective.needs.energy and not latents.energy_units:
        return (
            f"{name} estimates the gradient of an unknown log Z; log p of this model is "
            "normalised, and has none. Use trace, or a model with an energy."
        )
    return None


def simulates_rows(latents: Latents, objective: Objective) -> str | None:
    """The objective simulates rows, and a latent is inferred from more than its own row."""
    if not objective.needs.simulates_data or (latents.rowwise and latents.row_args):
        return None
    plate = latents.row_plate
    if latents.rowwise and plate is not None and plate.subsample < 0:
        return (
            f"{type(objective).__name__} trains the guide on rows that the model simulates; the "
            f"plate '{plate.name}' has no size, so that no argument is known to hold them. "
            f"{give_it_a_size(plate)}"
        )
    return (
        f"{type(objective).__name__} trains the guide on rows that the model simulates; "
        f"{latents.listed} do not all belong to rows of the model's arguments. Use forward_kl, "
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
                f"{form_of(site).value}: its values are "
                f"{in_words(site.support, site.event_shape)}. Use rloo, which takes any."
            )
    return None


def some_finite(latents: Latents, objective: Objective) -> str | None:
    """It sums over one finite latent, and there is none."""
    if not objective.needs.some_finite or any(site.classes for site in latents.sites):
        return None
    return (
        f"{type(objective).__name__} sums over one finite latent; the model has none among "
        f"{latents.listed}. Use rloo, which takes any."
    )


def one_level(latents: Latents, objective: Objective) -> str | None:
    """It sums over states of a row and over states that all rows share."""
    summed = [latents[name] for name in sorted(summed_out(latents, objective))]
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
    weighed = summed_out(latents, objective) or {site.name for site in latents.sites}
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


def give_it_a_size(plate: Plate) -> str:
    """The way out where a plate has no size."""
    return (
        f"Give the plate the number of rows of the argument that holds them: "
        f"pyro.plate('{plate.name}', len(x))."
    )


FOR_ANY: tuple[Callable[[Latents, Objective], str | None], ...] = (
    constants,
    forms,
    some_finite,
    simulates_rows,
    derived,
    one_level,
    shared_weights,
    random_terms,
    own_objection,
)
