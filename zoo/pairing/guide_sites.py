"""Does a guide that declares nothing sample what the model does, and where the model does?"""

from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace

from zoo.pairing.mismatch import PairingError
from zoo.traces import Traces, sample_sites


def check_guide_sites(traces: Traces) -> None:
    """Refuses a guide whose log q is of something else than the model's latents.

    Sites marked with ``infer={"is_auxiliary": True}`` are the guide's own, and not checked.

    Args:
        traces: one run of the guide and of the model replayed on it.

    Raises:
        PairingError: for a site that the model lacks or observes, or that lies in other plates
            or has another batch shape than in the model.
    """
    model = {str(site["name"]): site for site in sample_sites(traces.model)}
    for site in sample_sites(traces.guide):
        sentence = None if _is_its_own(site) else _unlike(site, model)
        if sentence:
            raise PairingError(sentence)


def check_observes_nothing(guide_trace: Trace) -> None:
    """Refuses a guide with data of its own.

    Raises:
        PairingError: naming the site.
    """
    for site in sample_sites(guide_trace):
        if site["is_observed"] and not _is_its_own(site):
            raise PairingError(
                f"The guide observes '{site['name']}'; it draws latents and has no data. Take the "
                "obs= away."
            )


def _is_its_own(site: Message) -> bool:
    infer = site["infer"] or {}
    return bool(infer.get("is_auxiliary") or infer.get("_deterministic"))


def _unlike(site: Message, model: dict[str, Message]) -> str | None:
    name = str(site["name"])
    if name not in model:
        return (
            f"The guide samples '{name}', which the model does not; it has {sorted(model)}. "
            "Rename it or leave it out; mark a helper of the guide's own with "
            "infer={'is_auxiliary': True}."
        )
    other = model[name]
    if other["is_observed"]:
        return f"The guide samples '{name}', which the model observes. Leave it out of the guide."
    if plates(site) != plates(other):
        return (
            f"The guide samples '{name}' in plates {sorted(plates(site))}; the model in "
            f"{sorted(plates(other))}. Use the model's plates, by their names."
        )
    if batch(site) != batch(other):
        return (
            f"The guide samples '{name}' with batch shape {batch(site)}; the model with "
            f"{batch(other)}. Give the guide the model's shape, plates and to_event alike."
        )
    return None


def plates(site: Message) -> set[str]:
    """Names of the vectorised plates that a site lies in."""
    return {frame.name for frame in site["cond_indep_stack"] if frame.vectorized}


def batch(site: Message) -> tuple[int, ...]:
    """Batch shape of a site, without the ones in front."""
    shape = list(site["fn"].batch_shape)  # type: ignore[attr-defined]
    while shape and shape[0] == 1:
        shape.pop(0)
    return tuple(shape)
