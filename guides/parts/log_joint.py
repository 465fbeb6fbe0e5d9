"""The model's log joint density inside a guide, as a function of the unconstrained latents."""

from collections.abc import Sequence
from typing import Any

import torch
from pyro import poutine
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import biject_to

from guides.parts.plates import Plates
from zoo.latents import Latents, Model
from zoo.traces import Assign, add_up, row_scale, sample_sites


class LogJoint:
    """log p(x, z) + log |dz/du| at z = T(u), for the data of one call of the guide.

    The model is run out of sight of the handlers around the guide: of those that note sites, that
    scale them, and that add particles. Particles come with the values of u.

    Args:
        model: the Pyro model.
        latents: all of its latents, all continuous.
        plates: the guide's open plates, whose rows the model is given.
        args: arguments of the model.
        kwargs: its keyword arguments.
    """

    def __init__(
        self, model: Model, latents: Latents, plates: Plates, args: tuple, kwargs: dict
    ) -> None:
        self.model, self.latents, self.args, self.kwargs = model, latents, args, kwargs
        self.rows: dict[str, Tensor] = {name: plate.indices for name, plate in plates.items()}

    def __call__(self, u: Sequence[Tensor]) -> Tensor:
        """The density summed over all particles and rows given, nats, shape ().

        Args:
            u: for each latent its unconstrained numbers, (particles, *batch, *event); the
                dimension of particles may be left out.

        Raises:
            ValueError: if the model samples a latent that is not in `latents`.
        """
        values, terms = dict[str, Tensor](), list[Tensor]()
        for site, part in zip(self.latents.sites, u, strict=True):
            transform = biject_to(site.support)
            value = values[site.name] = transform(part)
            terms.append(transform.log_abs_det_jacobian(part, value).sum())
        plate = self.latents.row_plate if self.latents.rowwise else None
        for found in self._sites(values):
            terms.append(found["log_prob"].sum() / row_scale(found, plate))
        return add_up(terms)

    def gradient(self, u: Sequence[Tensor]) -> list[Tensor]:
        """Its gradient in u, one tensor for each latent; with a graph while one is recorded."""
        recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            held = [
                part if recorded and part.requires_grad else part.detach().requires_grad_()
                for part in u
            ]
            return list(torch.autograd.grad(self(held), held, create_graph=recorded))

    def _sites(self, values: dict[str, Tensor]) -> list[Any]:
        with poutine.block(hide_fn=_samples), Assign(values | self.rows):
            trace = poutine.trace(self.model).get_trace(*self.args, **self.kwargs)
        sites = sample_sites(poutine.util.prune_subsample_sites(trace))
        left = [s["name"] for s in sites if not s["is_observed"] and s["name"] not in values]
        if left:
            raise ValueError(
                f"The gradient of log p(x, z) takes a guide of all latents; '{left[0]}' of the "
                f"model is not among {sorted(values)}."
            )
        trace.compute_log_prob()
        return sites


def _samples(site: Message) -> bool:
    """Is it a sample site? Parameters stay in sight: they are those of the model."""
    return site["type"] == "sample"
