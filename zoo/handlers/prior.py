"""What is asked of a model's prior before a guide is built: a value at each site, and supports."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.subsample_messenger import _Subsample
from pyro.poutine.trace_struct import Trace
from torch import Tensor
from torch.distributions import transform_to
from torch.distributions.constraints import Constraint

from zoo.sites.latent import Latent
from zoo.sites.supports import of_one_element, unmixed

PRIOR_DRAWS = 3


class Feasible(Messenger):
    """Gives a latent whose distribution cannot be sampled a value inside its support.

    Flat priors such as ``ImproperUniform`` have a support and a density, and no draws.

    Args:
        device: of the value; None for the default.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()
        self.device = device

    def _pyro_sample(self, msg: Message) -> None:
        if msg["value"] is not None or isinstance(msg["fn"], _Subsample):
            return
        try:
            msg["value"] = msg["fn"](*msg["args"], **msg["kwargs"])  # type: ignore[misc, assignment]
        except NotImplementedError as error:
            msg["value"] = self._inside(msg, error)

    def _inside(self, msg: Message, error: NotImplementedError) -> Tensor:
        fn: Any = msg["fn"]
        try:
            transform = transform_to(unmixed(fn.support))
        except NotImplementedError:
            raise ValueError(
                f"The distribution of '{msg['name']}' cannot be sampled, and no value inside "
                f"its support {fn.support} is known. Give it a .sample() method."
            ) from error
        shape = transform.inverse_shape(fn.shape())
        return transform(torch.zeros(shape, device=self.device))


def bounds(support: Constraint) -> list[Tensor]:
    """The numbers that a support is made of, as far as they are tensors; none for positive."""
    parts = vars(of_one_element(unmixed(support))).values()
    return [part for part in parts if isinstance(part, Tensor)]


def has_bounds(trace: Trace) -> bool:
    """Is any latent's support made of tensors, which may move?"""
    return any(bounds(support) for support in _supports(trace).values())


def moving_supports(
    trace: Trace, again: Callable[[], Trace], latents: Iterable[Latent]
) -> tuple[tuple[str, str], ...]:
    """The latents whose support is not always the same, each with what it depends on.

    Args:
        trace: of the prior.
        again: draws it anew.
        latents: those of the trace.
    """
    runs = [_supports(found) for found in (trace, *(again() for _ in range(PRIOR_DRAWS - 1)))]
    moving: dict[str, str] = {}
    for name in runs[0]:
        seen = [bounds(found[name]) for found in runs if name in found]
        if any(part.requires_grad for parts in seen for part in parts):
            moving[name] = "a parameter that is trained"
        elif any(_differ(first, second) for first, second in pairwise(seen)):
            moving[name] = "other latents: two draws of the prior have different bounds"
    for site in latents:  # a minibatch shows the bounds of its own rows only
        several = [
            part for part in bounds(runs[0][site.name]) if (part != part.flatten()[:1]).any()
        ]
        if several and any(plate.subsample < plate.size for plate in site.plates):
            moving.setdefault(site.name, "the row, and a step holds some of the rows only")
    return tuple(moving.items())


def _supports(trace: Trace) -> dict[str, Constraint]:
    nodes: list[Any] = [node for node in trace.nodes.values() if node["type"] == "sample"]
    return {node["name"]: node["fn"].support for node in nodes if not node["is_observed"]}


def _differ(first: list[Tensor], second: list[Tensor]) -> bool:
    if [part.shape for part in first] != [part.shape for part in second]:
        return True
    return any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
