"""Which of a model's latents a guide's family covers, and which an objective sums out."""

from zoo.latents import Family, Latents
from zoo.objectives import Objective


def covered(latents: Latents, family: type[Family]) -> Latents:
    """The latents that the guide's family can be put on."""
    return latents.select(*(site.name for site in latents.sites if family.handles(site)))


def summed_out(latents: Latents, objective: Objective) -> set[str]:
    """Names of the finite latents that the objective sums out."""
    sites = latents.sites
    return {site.name for site in sites if site.kind in objective.needs.sums_out and site.classes}
