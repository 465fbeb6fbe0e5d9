"""Runs the student's functions with gradients (part c) or as Pyro programs (parts d and e)."""

from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor


class Record(Messenger):
    """Keeps what was last sampled at each site; gives some sites a value."""

    def __init__(self, **held: Tensor) -> None:
        super().__init__()
        self.held, self.sites = held, dict[str, Any]()

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.held and not msg["is_observed"]:
            msg["value"] = self.held[msg["name"]].to(msg["fn"].mean.dtype)

    def _pyro_post_sample(self, msg: Any) -> None:
        self.sites[msg["name"]] = msg


def _site(record: Record, name: str) -> Any:
    if name not in record.sites:
        found = sorted(site for site in record.sites if site != "data")
        raise ValueError(f"Expected a sample site '{name}'; the program's sites are {found}.")
    return record.sites[name]


def _scale(site: Any) -> Tensor:
    """What the log density of a site is multiplied by, ()."""
    return torch.as_tensor(site["scale"], dtype=torch.get_default_dtype()).mean()


def run_c(
    function: Callable[..., Tensor], loc: Tensor, weight: Tensor, **others: Tensor
) -> dict[str, Tensor]:
    """The ELBO, and the gradients of its sum in loc and weight."""
    leaves = [loc.requires_grad_(), weight.requires_grad_()]
    elbo = function(loc=loc, weight=weight, **others)
    found: list[Tensor | None] = [None, None]
    if elbo.requires_grad:
        found = list(torch.autograd.grad(elbo.sum(), leaves, allow_unused=True))
    pairs = zip(found, leaves, strict=True)
    gradients = [torch.zeros_like(leaf) if one is None else one for one, leaf in pairs]
    return {"elbo": elbo, "loc_gradient": gradients[0], "weight_gradient": gradients[1]}


def run_d(
    function: Callable[..., Tensor], x: Tensor, rows: int, at: Tensor, **decoder: Tensor
) -> dict[str, Tensor]:
    """Log densities of both sites where z = at, and their scales in the plate."""
    with Record(z=at) as record:
        function(x=x, rows=rows, **decoder)
    z, pixels = _site(record, "z"), _site(record, "x")
    return {
        "log_prior": z["fn"].log_prob(at),
        "log_likelihood": pixels["fn"].log_prob(pixels["value"]),
        "observed": torch.tensor(float(pixels["is_observed"])),
        "scales": torch.stack([_scale(z), _scale(pixels)]),
    }


def run_e(
    function: Callable[..., Tensor], x: Tensor, rows: int, at: Tensor, **encoder: Tensor
) -> dict[str, Tensor]:
    """The distribution at the site z: mean, standard deviation, log density at a point, scale."""
    with Record() as record:
        function(x=x, rows=rows, **encoder)
    z = _site(record, "z")
    return {
        "loc": z["fn"].mean,
        "scale": z["fn"].variance.sqrt(),
        "log_q": z["fn"].log_prob(at),
        "plate_scale": _scale(z),
    }


def run_f(function: Callable[..., tuple[Tensor, ...]], **inputs: Any) -> tuple[Tensor, ...]:
    """Training, without parameters that Pyro stored before or keeps after."""
    pyro.clear_param_store()
    try:
        return function(**inputs)
    finally:
        pyro.clear_param_store()
