"""Does the model count each latent that the guide draws, in every run and in all of its elements?

The ELBO is E_q[log p(x, z) - log q(z)]. Where the model leaves out a term that the guide counts,
-log q(z) of that latent is a gain without a price: the guide spreads, and what is trained is no
bound on log p(x).
"""

from collections.abc import Callable

import torch
from pyro import poutine
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from zoo.isolation import isolated
from zoo.traces import Traces, sample_sites

RUNS = 8  # of the prior; a latent that half of them draw is missed once in 256 times
FAILURES = (ValueError, ArithmeticError, RuntimeError)


def check_masks(traces: Traces) -> None:
    """Refuses latents that the model masks and the guide does not.

    Raises:
        ValueError: naming the latent and two ways out.
    """
    for site in sample_sites(traces.model):
        name = str(site["name"])
        drawn = traces.guide.nodes.get(name)
        if site["is_observed"] or drawn is None or drawn["type"] != "sample":
            continue
        if bool((~_mask(site) & _mask(drawn)).any()):
            raise ValueError(
                f"The model masks '{name}' and the guide does not: where the mask is False, the "
                "guide's -log q counts and the model's log p does not, so that what is trained is "
                "no bound on log p(x). Write a guide under the same poutine.mask; or draw the "
                "latents that count alone, and observe the others' data by index "
                "(obs=x[seen]) in the place of obs_mask."
            )


def _mask(site: Message) -> Tensor:
    return torch.as_tensor(True if site["mask"] is None else site["mask"], device="cpu").bool()


def check_always_drawn(model: Callable, traces: Traces, args: tuple, kwargs: dict) -> None:
    """Refuses a model that does not draw, in every run, what the guide draws in every run.

    The model is run a few times on draws of its prior; the global random state stays as it was.

    Raises:
        ValueError: naming the latent.
    """
    with isolated(seed=0), torch.no_grad(), poutine.block():
        for _ in range(RUNS):
            try:
                found = poutine.trace(model).get_trace(*args, **kwargs)
            except FAILURES:  # a draw that the model cannot take says nothing of its sites
                continue
            refuse_missing(found, traces.guide)


def refuse_missing(model: Trace, guide: Trace) -> None:
    """Raises if the model's run lacks a latent that the guide's run has.

    Raises:
        ValueError: naming the latent.
    """
    for site in sample_sites(guide):
        auxiliary = site["is_observed"] or site["infer"].get("is_auxiliary")  # type: ignore[union-attr]
        if not auxiliary and site["name"] not in model.nodes:
            raise ValueError(
                f"The guide draws '{site['name']}' in every run and the model only in some: where "
                "the model has no such term, what is trained is no bound on log p(x). Draw it in "
                "every run, and use it where the condition holds (torch.where)."
            )
