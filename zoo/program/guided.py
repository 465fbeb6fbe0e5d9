"""Which latents the guide samples, as its first run shows, and whether the objective allows it."""

from dataclasses import replace

from pyro.poutine.trace_struct import Trace

from zoo.objectives import Objective
from zoo.objectives.mean_field import drawn, in_order
from zoo.pairing.mismatch import PairingError
from zoo.traces import Pair, Traces, sample_sites


def checked_pair(pair: Pair, traces: Traces, objective: Objective) -> Pair:
    """The pair, told which latents its guide samples.

    Args:
        pair: the model, the guide and the latents.
        traces: a run of the guide, and of the model on its draw.
        objective: what is to be minimised.

    Raises:
        PairingError: if a latent is neither sampled by the guide nor summed out by the objective,
            or if the guide samples the latents in an order that the objective does not allow.
    """
    _check_sites(pair, traces, objective)
    _check_order(traces, objective)
    names = pair.latents.names
    guided = frozenset(name for name in names if name in traces.guide.nodes)
    marked = any(_is_marked(traces.model, name) for name in set(names) - guided)
    return replace(pair, guided=guided, marked=marked)


def _check_sites(pair: Pair, traces: Traces, objective: Objective) -> None:
    """Refuses a hand-written guide that leaves out a latent which the objective does not sum out.

    Raises:
        PairingError: naming the site.
    """
    sampled = {str(site["name"]) for site in sample_sites(traces.guide)}
    kinds = objective.needs.sums_out
    left = [site for site in pair.latents.sites if site.name not in sampled]
    nobody = [site for site in left if not (site.kind in kinds and site.classes)]
    if nobody:
        raise PairingError(
            f"The guide samples {sorted(sampled)}; the model's latent '{nobody[0].name}' is not "
            "among them. Sample it in the guide, or use an objective that sums it out: enumerate."
        )
    unmarked = [site.name for site in left if not _is_marked(traces.model, site.name)]
    if unmarked and objective.needs.marked:
        raise PairingError(
            f"The objective sums out what the model marks for enumeration; '{unmarked[0]}' is "
            "not marked, and would be drawn from the prior. Decorate the model with "
            "pyro.infer.config_enumerate, or use the objective 'enumerate'."
        )


def _is_marked(trace: Trace, name: str) -> bool:
    return (trace.nodes[name]["infer"] or {}).get("enumerate") == "parallel"


def _check_order(traces: Traces, objective: Objective) -> None:
    """Refuses a guide whose order of latents is not the model's, where the objective needs that.

    Raises:
        PairingError: naming the first latent that is drawn too early.
    """
    names, kept = drawn(traces), in_order(traces)
    early = [name for name in names if name not in kept]
    if objective.needs.ordered and early:
        found = [name for name in traces.guide.nodes if name in names]
        raise PairingError(
            f"{type(objective).__name__} takes the KL term of each latent in the model's order, "
            f"{names}; the guide draws {found}, so that the term of '{early[0]}' is no KL "
            "divergence. Draw the latents in the model's order, or use mean_field."
        )
