"""The rules of pairing that look at what a guide's family declares.

Each says in a sentence, with a way out, why a model, a family and an objective do not go together.
No rule refers to a class by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from zoo.latents import Family, Latents
from zoo.latents.family import class_of
from zoo.objectives import OBJECTIVES, Needs, Objective, Trace
from zoo.pairing.covered import covered, summed_out
from zoo.pairing.model_rules import give_it_a_size
from zoo.sites.latent import Latent
from zoo.sites.supports import in_words


def nothing_latent(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The model has no latents; the guide covers some, or the objective is about draws."""
    if latents.sites or (not family.kinds and replace(objective.needs, energy=False) == Needs()):
        return None
    useless = f"{family.__name__} has nothing to cover" if family.kinds else ""
    useless = useless or f"{type(objective).__name__} has no draws to weigh"
    if latents.energy_units:
        return f"The model has no latents, so that {useless}. Use Empty and pcd."
    return (
        f"The model has no latents, so that its log p(x) is exact and {useless}. Use Empty and "
        "trace, which maximise log p(x) itself."
    )


def nothing_to_sum(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """It sums out latents of which the model has none."""
    if not objective.needs.sums_out or summed_out(latents, objective):
        return None
    kinds = " or ".join(sorted(kind.value for kind in objective.needs.sums_out))
    return (
        f"{type(objective).__name__} sums out finite {kinds} latents; the model has none among "
        f"{latents.listed}. Use trace."
    )


def coverage(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """Neither guide nor objective handles a latent, or the guide covers none."""
    held, summed = covered(latents, family).names, summed_out(latents, objective)
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
    if held:
        way_out = (
            f"Compose it with a guide for {site.scope} {site.kind.value} latents by "
            "guides.compose, or by --guide with a plus between the two names"
        )
    names = [
        name
        for name, other in OBJECTIVES.items()
        if site.kind in other.needs.sums_out and not other.needs.classifies
    ]
    if names and site.classes:
        way_out += f", or an objective that sums it out: {', '.join(names)}"
    return (
        f"{family.__name__} covers {_says(family)} latents; '{site.name}' is {site.scope} and "
        f"{site.kind.value}: {_whose(site)}. Its values are "
        f"{in_words(site.support, site.event_shape)}. {way_out}."
    )


def _says(family: type[Family]) -> str:
    scopes = " or ".join(sorted(family.scopes)) if len(family.scopes) < 2 else ""
    kinds = " or ".join(sorted(kind.value for kind in family.kinds)) or "no"
    return f"{scopes} {kinds}".strip()


def _whose(site: Latent) -> str:
    return "each data row has its own" if site.local else "all data rows share it"


def sized(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """It lies in a plate of unknown size, so that no guide can have a part for each row."""
    for site in covered(latents, family).sites:
        for plate in site.plates:
            if plate.subsample < 0:
                return (
                    f"'{site.name}' lies in a plate without a size; {family.__name__} needs to "
                    f"know how many rows there are. {give_it_a_size(plate)}"
                )
    return None


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


def whole_density(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The guide follows the model's joint density, and does not draw all latents."""
    held = covered(latents, family).names
    left = [site for site in latents.sites if site.name not in held]
    if not (family.auxiliary or family.runs_model) or not left:
        return None
    return (
        f"{family.__name__} follows log p(x, z) of all latents; it does not cover "
        f"'{left[0].name}', which is {left[0].scope} and {left[0].kind.value}. Use a guide that "
        "leaves it to the objective: mean_field or amortised_normal."
    )


def reparameterised(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective differentiates through draws, and the guide's are not reparameterised."""
    summed = summed_out(latents, objective)
    sampled = [
        site.name
        for site in covered(latents, family).sites
        if site.name not in summed and not family.differentiates(site)
    ]
    if not objective.needs.reparameterised or not sampled:
        return None
    if part := _draws_what_is_summed(latents, family, summed):
        return (
            f"{type(objective).__name__} sums out {sorted(summed)}, which {part} of "
            f"{family.__name__} draws. Leave {part} out of the composed guide, or use an "
            "objective with a score-function term that sums out nothing: trace_graph."
        )
    return (
        f"{type(objective).__name__} differentiates through the draws of '{sampled[0]}'; those of "
        f"{family.__name__} are not reparameterised. Use a relaxed guide, or an objective with a "
        "score-function term: trace_graph."
    )


def solved(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The guide is found by a method of its own, and an objective would not be used."""
    if family.solver is None or objective == Trace():
        return None
    return (
        f"{family.__name__} is found by a method of its own, which minimises no objective, so "
        f"that {objective} would not be used. Use trace with one particle, which stands for none, "
        "or a guide that takes steps, such as full_rank."
    )


def _draws_what_is_summed(latents: Latents, family: type[Family], summed: set[str]) -> str:
    """The only part of a composed guide whose draws have no path, if all are summed; else ""."""
    parts: list[type[Family]] = [class_of(part) for part in family.parts or ()]
    rough = [part for part in parts if not part.reparameterised]
    if len(rough) != 1:
        return ""
    drawn = covered(latents, rough[0]).names
    return rough[0].__name__ if drawn and set(drawn) <= summed else ""


def baselines(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective puts baselines on all draws, which one that is reparameterised cannot use."""
    held = covered(latents, family).sites
    without = [site.name for site in held if family.differentiates(site)]
    if not objective.needs.score_function or not without:
        return None
    every = len(without) == len(held)
    whose = f"{family.__name__} all" if every else f"'{without[0]}' by {family.__name__}"
    return (
        f"{type(objective).__name__} puts baselines on draws that are not reparameterised; those "
        f"of {whose} are. Use trace, or trace_graph without baselines."
    )


def relaxed(latents: Latents, family: type[Family], objective: Objective) -> str | None:
    """The objective sums over discrete values, and the guide replaces them by continuous ones."""
    summed = summed_out(latents, objective) & set(covered(latents, family).names)
    if not family.relaxes or not summed:
        return None
    return (
        f"{type(objective).__name__} sums over the values of '{min(summed)}'; {family.__name__} "
        "replaces them by continuous ones. Use a discrete guide, or trace."
    )


@dataclass(frozen=True)
class Clash:
    """A rule that looks at two declarations alone: what is needed, and what the family declares.

    Attributes:
        found: do the needs of an objective and a family clash?
        sentence: what is said then, with {objective} and {family} for their names.
    """

    found: Callable[[Needs, type[Family]], bool]
    sentence: str

    def __call__(self, latents: Latents, family: type[Family], objective: Objective) -> str | None:
        """The sentence with both names, if the two clash."""
        if not self.found(objective.needs, family):
            return None
        return self.sentence.format(objective=type(objective).__name__, family=family.__name__)


CLASHES = (
    Clash(
        lambda needs, family: needs.log_q and not family.has_density,
        "{objective} takes log q of the guide's draws; {family} puts each row's latents at a "
        "point, so that q has no density. Use wae or aae, which compare draws alone, or a guide "
        "with a spread, such as amortised_normal.",
    ),
    Clash(
        lambda needs, family: not needs.log_q and family.auxiliary,
        "{objective} compares draws alone; {family} is trained by log q of the path to them only. "
        "Use trace, or a guide without a path, such as one of encoders.",
    ),
    Clash(
        lambda needs, family: needs.factorised and not family.factorised,
        "{objective} takes each latent's KL term in closed form; {family} draws all latents "
        "jointly. Use a factorised guide, or trace.",
    ),
    Clash(
        lambda needs, family: needs.scores and family.relaxes,
        "{objective} multiplies the score of draws that are held constant; {family} relaxes them "
        "so that they need not be. Use a discrete guide, or trace.",
    ),
    Clash(
        lambda needs, family: needs.independent and not family.independent,
        "{objective} moves each element of the latents on its own; those of {family} depend on "
        "each other. Use rloo, or a guide whose latents are independent given the data.",
    ),
    Clash(
        lambda needs, family: needs.given and family.jointly,
        "{objective} takes log q as a function of given latents; {family} draws a vector that "
        "they are parts of, and knows log q of that. Use a guide that draws each latent from a "
        "distribution of its own, such as mean_field, or iwae.",
    ),
    Clash(
        lambda needs, family: needs.classifies and not family.classifies,
        "{objective} trains the guide's classifier on labels; {family} has none. Use "
        "semi_supervised, or enumerate, which sums the class out of the model.",
    ),
    Clash(
        lambda needs, family: needs.mixes and not family.mixes,
        "{objective} draws from each component of a mixture; {family} is none. Use trace, or "
        "mixture.",
    ),
    Clash(
        lambda needs, family: needs.simulates_data and not family.amortised,
        "{objective} trains the guide on rows that the model simulates; {family} has parameters "
        "for the given rows only. Use an amortised guide, or forward_kl, which simulates no data.",
    ),
    Clash(
        lambda needs, family: (needs.scores or needs.density) and family.auxiliary,
        "{objective} takes log q of given draws; {family} draws auxiliary numbers too, and knows "
        "log q of the latents only together with them and their path. Use trace or iwae, or a "
        "guide whose log q is known.",
    ),
)

FOR_FAMILIES: tuple[Callable[[Latents, type[Family], Objective], str | None], ...] = (
    nothing_latent,
    nothing_to_sum,
    coverage,
    sized,
    fixed_support,
    objection,
    whole_density,
    solved,
    reparameterised,
    baselines,
    relaxed,
    *CLASHES,
)
