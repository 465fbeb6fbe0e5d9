"""All joint states of finite discrete latents, laid out for a model to broadcast over."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import one_hot

from zoo.latents import Kind, Latent, Latents
from zoo.permutations.support import every_permutation, too_many_items
from zoo.sites.states import states_by_number

LIMIT = 2**16


def joint_states(
    summed: Sequence[Latent], latents: Latents, device: torch.device | None = None
) -> dict[str, Tensor]:
    """Every joint state of the latents of one row, along a new leftmost batch dimension.

    Args:
        summed: the discrete latents to enumerate.
        latents: the description they come from.
        device: where to lay them out.

    Returns:
        Site name -> values of shape (states, 1, ..., 1, *event), the ones for the plates.

    Raises:
        ValueError: if a latent is not finite, or there are more than 65,536 joint states.
    """
    sentence = too_many(summed, latents)
    if sentence:
        raise ValueError(sentence)
    shapes = {site.name: elements(site, latents) for site in summed}
    counts = [site.classes ** math.prod(shapes[site.name]) for site in summed]
    total = math.prod(counts)
    index, states = torch.arange(total, device=device), {}
    for site, count in zip(summed, counts, strict=True):
        states[site.name] = _values(index % count, site, shapes[site.name])
        index = index // count
    return states


def too_many(summed: Sequence[Latent], latents: Latents) -> str | None:
    """Why the latents have too many joint states to sum over, in a sentence; None if they do not.

    Args:
        summed: the discrete latents to enumerate.
        latents: the description they come from.
    """
    for site in summed:
        found = too_many_items(site.event_shape[-1]) if site.kind is Kind.PERMUTATION else None
        if found:
            return f"'{site.name}' is a permutation. {found} Use a guide for it and rloo."
    counts = [site.classes ** math.prod(elements(site, latents)) for site in summed]
    if 0 in counts:
        name = summed[counts.index(0)].name
        return (
            f"Expected finite latents to sum out; '{name}' has infinitely many values. Use an "
            "objective that sums out nothing: trace_graph."
        )
    total = math.prod(counts)
    if total <= LIMIT:
        return None
    size = str(total) if total < 10**9 else f"about 10^{len(str(total)) - 1}"
    return (
        f"Summing out {[site.name for site in summed]} takes {size} joint states; the limit "
        f"is {LIMIT}. Use a guide for them and an objective that draws them, such as "
        "trace_graph, or Pyro's TraceEnum_ELBO if they form a chain."
    )


def elements(site: Latent, latents: Latents) -> tuple[int, ...]:
    """Shape of a site's independent elements: all its plates, the rows' of size 1, and its event.

    A one-hot vector is one element, and so is a permutation.
    """
    batch = [1] * (latents.nesting - len(site.batch_shape)) + list(site.batch_shape)
    if site.local and latents.row_plate is not None:
        batch[latents.row_plate.dim] = 1
    whole = site.base_support is constraints.one_hot or site.kind is Kind.PERMUTATION
    event = site.event_shape[:-1] if whole else site.event_shape
    return (*batch, *event)


def _values(index: Tensor, site: Latent, shape: tuple[int, ...]) -> Tensor:
    digits = states_by_number(index, math.prod(shape), site.classes).flip(1).reshape(-1, *shape)
    if site.kind is Kind.PERMUTATION:
        return every_permutation(site.event_shape[-1], index.device)[digits]
    if site.base_support is constraints.one_hot:
        return one_hot(digits, site.classes).to(torch.get_default_dtype())
    if site.base_support is constraints.boolean:
        return digits.to(torch.get_default_dtype())
    return digits + int(site.base_support.lower_bound)  # type: ignore[attr-defined]
