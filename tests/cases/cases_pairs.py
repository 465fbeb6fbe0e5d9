"""What the tests say goes together: model, guide and objectives; and a pair for each guide.

It follows from what a model's case says of its sites and from what a guide declares; exceptions
are listed.
"""

from cases import MODEL_CASES
from cases_objectives import going_with

from guides import ASVI, GUIDES
from zoo.latents import Kind, describe
from zoo.models.flows import FLOWS
from zoo.objectives.prior_paths import without_path

ANY = going_with("any")
PATHS = going_with("paths")
SCORES = going_with("scores")
SIMULATED = going_with("simulated rows")
CLOSED_KL = going_with("closed KL")
RELAXED = ANY | PATHS | CLOSED_KL
JOINT = ANY | PATHS | SCORES
GIVEN = going_with("given draws")
PRIOR_PATHS = going_with("prior paths")
BY_SITE = JOINT | GIVEN | PRIOR_PATHS
FACTORISED = BY_SITE | CLOSED_KL
INDEPENDENT = FACTORISED | going_with("independent")
DISCRETE = ANY | SCORES | GIVEN | SIMULATED | going_with("discrete")
CATEGORICAL = DISCRETE | going_with("categorical")
BITS = going_with("bits")
BINARY = CATEGORICAL | BITS | going_with("independent")


def suitable(family) -> set[str]:
    """The objectives that a guide goes with, from what it declares."""
    if not family.has_density:
        return set()
    if family.solver is not None:
        return {"trace"}
    if family.relaxes:
        return RELAXED
    if Kind.PERMUTATION in family.kinds:
        return DISCRETE
    if Kind.DISCRETE in family.kinds:
        return CATEGORICAL if family.factorised else DISCRETE
    if family.auxiliary:
        return ANY
    if family.mixes:
        return JOINT | going_with("mixtures")
    together = JOINT if family.jointly else BY_SITE
    usual = INDEPENDENT if family.independent else FACTORISED if family.factorised else together
    return usual | SIMULATED if family.amortised and "local" in family.scopes else usual


ENERGIES = going_with("energies")
BY_SCORES = ENERGIES | going_with("energies by scores")
DEEP = dict.fromkeys(("amortised_discrete", "amortised_layers"), BY_SCORES)
RELAXING = ("relaxed", "straight_through", "gumbel_rao")
FAMILIES = {name: getattr(guide, "func", guide) for name, guide in GUIDES.items()}
COMPOSED = [name for name, family in FAMILIES.items() if family.parts]
SPECIAL = {*COMPOSED} | {  # for certain models only
    *("shared", "uniform_noise", "top_down", "ladder", "recurrent", "empty", "coordinate_ascent"),
    *("amortised_recurrent", "semi_supervised"),
}

WITHOUT_DENSITY = {name for name, family in FAMILIES.items() if not family.has_density}


def on(kind: Kind, scope: str) -> dict[str, set[str]]:
    """The guides that go on latents of a kind and scope, each with its objectives."""
    return {
        name: suitable(family)
        for name, family in FAMILIES.items()
        if kind in family.kinds and scope in family.scopes and name not in SPECIAL
    }


LOCAL_CONTINUOUS = on(Kind.CONTINUOUS, "local")
GLOBAL_CONTINUOUS = on(Kind.CONTINUOUS, "global")
LOCAL_DISCRETE = {**on(Kind.DISCRETE, "local"), "empty": {"enumerate"}}
LOCAL_BINARY = {**LOCAL_DISCRETE, "amortised_discrete": BINARY}
AWAKE = {guide: objectives - SIMULATED for guide, objectives in LOCAL_CONTINUOUS.items()}
LOCAL_PERMUTATION = {**on(Kind.PERMUTATION, "local"), "empty": {"enumerate"}}
USUAL = {
    ("continuous", "local"): LOCAL_CONTINUOUS,
    ("continuous", "global"): GLOBAL_CONTINUOUS,
    ("discrete", "local"): LOCAL_DISCRETE,
    ("spherical", "local"): on(Kind.SPHERE, "local"),
    ("hyperbolic", "local"): on(Kind.HYPERBOLOID, "local"),
    ("permutation", "local"): LOCAL_PERMUTATION,
}
BOTH_SCOPES = {name: suitable(FAMILIES[name]) - SIMULATED for name in COMPOSED}
EXACT = {"empty": {"trace", "trace_graph"}}  # where nothing is latent
DRAWN = {"empty": EXACT["empty"] | going_with("draws of whole rows")}  # and rows are functions
EXCEPTIONS: dict[str, dict[str, set[str]]] = {
    "vae": {**LOCAL_CONTINUOUS, "shared": INDEPENDENT | SIMULATED},
    "dequantised_vae": {**AWAKE, "uniform_noise": FACTORISED},
    "flow_vae": {**AWAKE, "uniform_noise": FACTORISED},
    "hvae": {**LOCAL_CONTINUOUS, **dict.fromkeys(("top_down", "ladder"), FACTORISED | SIMULATED)},
    **dict.fromkeys(
        ("draw", "draw_attention"), {**LOCAL_CONTINUOUS, "recurrent": FACTORISED | SIMULATED}
    ),
    "self_vae": AWAKE,
    "varying_intercepts": BOTH_SCOPES,
    "semi_supervised_vae": {
        **{
            guide: {"enumerate"}
            for guide in LOCAL_CONTINUOUS
            if not FAMILIES[guide].auxiliary and FAMILIES[guide].has_density
        },
        "semi_supervised": (DISCRETE - {"nvil"}) | going_with("labels"),
    },
    "deep_markov": {**LOCAL_CONTINUOUS, "amortised_recurrent": FACTORISED | SIMULATED},
    "bernoulli_latent": LOCAL_BINARY,
    "sigmoid_belief": LOCAL_BINARY,
    "darn": {guide: o for guide, o in LOCAL_BINARY.items() if not FAMILIES[guide].relaxes},
    **dict.fromkeys(FLOWS, DRAWN),
    "rbm": {"empty": ENERGIES},
    "dbm": {**DEEP, **dict.fromkeys(RELAXING, ENERGIES), "coordinate_ascent": BY_SCORES},
    "dbn": DEEP,
}


def usual(case) -> dict[str, set[str]]:
    """What goes on a model without latents, or whose latents are all of one kind and scope."""
    if not case.sites:
        return EXACT
    (found,) = {(site.kind, site.scope) for site in case.sites.values()}
    guides = USUAL[found]
    if "asvi" in guides and not followed(case):
        return {name: objectives for name, objectives in guides.items() if name != "asvi"}
    return guides


def followed(case) -> bool:
    """Are all priors of families that ASVI has a rule for? Its own tests say which those are."""
    model, args = case.make()
    return ASVI.objection(describe(model, *args)) is None


def with_discrepancy(case, guides: dict[str, set[str]]) -> dict[str, set[str]]:
    """Besides, what compares the one continuous latent of each row with its prior."""
    sites = list(case.sites.values())
    if len(sites) != 1 or (sites[0].kind, sites[0].scope) != ("continuous", "local"):
        return guides
    if case is MODEL_CASES["vae"]:  # draws of its mixture prior do not follow its parameters
        return guides
    found = and_discrepancy(guides)
    return found if case is MODEL_CASES["multimodal_vae"] else and_means(found)


def and_discrepancy(guides: dict[str, set[str]]) -> dict[str, set[str]]:
    """Each guide's objectives with those that compare latents and prior, where it can be drawn."""
    more, draws = going_with("one latent a row"), going_with("draws of one latent a row")
    return {
        guide: found
        | (more if "mean_field" in found or guide in WITHOUT_DENSITY else set())
        | (draws if "stl" in found or guide in WITHOUT_DENSITY else set())
        for guide, found in guides.items()
    }


def and_means(guides: dict[str, set[str]]) -> dict[str, set[str]]:
    """Besides, what compares means of rows; of one argument, so not of several modalities."""
    more = going_with("means of one latent a row")
    return {guide: o | (more if "mean_field" in o else set()) for guide, o in guides.items()}


def with_prior_paths(case, guides: dict[str, set[str]]) -> dict[str, set[str]]:
    """All of them where every prior is known as a function of noise."""
    model, args = case.make()
    less = set() if without_path(describe(model, *args), "") is None else PRIOR_PATHS
    return {guide: objectives - less for guide, objectives in guides.items()}


ALLOWED: dict[str, dict[str, set[str]]] = {  # model -> guide -> objectives; the rest is refused
    name: with_prior_paths(case, with_discrepancy(case, EXCEPTIONS.get(name) or usual(case)))
    for name, case in MODEL_CASES.items()
}

PREFERRED = {  # a guide -> a model that shows more of it than the first that it goes on
    **dict.fromkeys(("amortised_normal", "amortised_fixed_scale"), "bernoulli_vae"),
    "amortised_point": "gaussian_vae",
    **dict.fromkeys(("amortised_iaf", "amortised_planar", "amortised_sylvester"), "gaussian_vae"),
    **dict.fromkeys(("amortised_naf", "amortised_spline"), "gaussian_vae"),
    **dict.fromkeys(("bottom_up", "top_down", "ladder"), "hvae"),
    "recurrent": "draw",
    "product_of_experts": "multimodal_vae",
    "uniform_noise": "dequantised_vae",
    "amortised_layers": "sigmoid_belief",
    "straight_through": "categorical_vae",
    "coordinate_ascent": "dbm",
}


def example(guide: str) -> tuple[str, str]:
    """A model that suits a guide, and an objective."""
    suit = [model for model, guides in ALLOWED.items() if guide in guides]
    model = PREFERRED.get(guide, suit[0])
    allowed = ALLOWED[model][guide]
    kinds = FAMILIES[guide].kinds
    usual = "trace_graph" if kinds & {Kind.DISCRETE, Kind.PERMUTATION} else "trace"
    if FAMILIES[guide].relaxes:
        usual = "trace"
    return model, usual if usual in allowed else min(allowed)


GUIDE_CASES = {guide: example(guide) for guide in GUIDES}
