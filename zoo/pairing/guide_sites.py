"""Does a guide that declares nothing sample what the model does, and where the model does?"""

from collections.abc import Callable
from typing import Any

import torch
from pyro import poutine
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, OneHotCategorical

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


def check_independent(
    guide: Callable, guide_trace: Trace, args: tuple, kwargs: dict, who: str
) -> None:
    """Refuses a guide that draws one latent from a distribution that another's value decides.

    The guide runs again with the values of its trace, each of them changed in turn.

    Args:
        guide: the guide.
        guide_trace: one run of it.
        args: its arguments.
        kwargs: its keyword arguments.
        who: the objective that needs independent latents, for the message.

    Raises:
        PairingError: naming both latents.
    """
    sites = [site for site in sample_sites(guide_trace) if not _is_its_own(site)]
    values = {str(site["name"]): site["value"] for site in sites}
    if len(values) < 2:
        return
    usual = _numbers(guide, values, args, kwargs)
    for site in sites:
        name = str(site["name"])
        found = _numbers(guide, values | {name: _elsewhere(site)}, args, kwargs)
        for other in values:
            pairs = zip(found.get(other, ()), usual[other], strict=False)  # it may not be drawn
            same = other in found and all(torch.equal(one, two) for one, two in pairs)
            if other != name and not same:
                raise PairingError(
                    f"{who} moves each element of the latents on its own; the guide draws "
                    f"'{other}' from a distribution that depends on '{name}'. Use rloo, or a "
                    "guide whose latents are independent given the data."
                )


def _numbers(guide: Callable, values: dict, args: tuple, kwargs: dict) -> dict[str, list[Tensor]]:
    """The parameters of the distribution that each site is drawn from, given these values."""
    with torch.no_grad(), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        held = poutine.condition(guide, data=values)
        trace = poutine.trace(held).get_trace(*args, **kwargs)
    sites = {str(site["name"]): site for site in sample_sites(trace)}
    drawn = {name: value for name, value in values.items() if name in sites}
    return {name: _numbers_of(sites[name]["fn"], value) for name, value in drawn.items()}


def _numbers_of(fn: Any, value: Tensor) -> list[Tensor]:
    """A distribution's parameters, and the log-probability of one value, as some name none."""
    log_q = fn.log_prob(value)
    while isinstance(fn, Independent):
        fn = fn.base_dist
    return [log_q, *(getattr(fn, name) for name in fn.arg_constraints)]


def _elsewhere(site: Message) -> Tensor:
    """Another value of a site, in its support where that is of bits or of classes."""
    fn: Any = site["fn"]
    value: Any = site["value"]
    while isinstance(fn, Independent):
        fn = fn.base_dist
    if isinstance(fn, Bernoulli):
        return 1 - value
    if isinstance(fn, Categorical):
        return (value + 1) % fn.logits.shape[-1]
    return value.roll(1, -1) if isinstance(fn, OneHotCategorical) else value + 1


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
