"""Uniform noise for latents on [0, 1] (dequantisation), and another guide for the others.

    q(z, u | x) = q(z | x) Uniform(u; 0, 1).

Noise that depends on the row is what every other guide for local latents gives: then it is
variational dequantisation, with a flow as in the paper.

Parameters: those of the other guide.
Sources: Uria, Murray & Larochelle 2013, "RNADE" (uniform); Ho et al. 2019, "Flow++" (variational).
Topic: Encoders.
"""

from collections.abc import Callable
from typing import ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import constraints

from guides.amortised_normal import AmortisedNormal
from guides.guide import Guide
from guides.parts.plates import inside
from zoo.latents import Kind, Latent, Latents


class UniformNoise(Guide):
    """Uniform noise on the latents in [0, 1], and another guide on the others.

    Args:
        latents: the latents to cover.
        rest: makes the guide of the others; a class, or a partial of one.

    Raises:
        ValueError: if no latent lies in [0, 1], or all do.

    Example:
        The noise u that fills up integer pixels lies in [0, 1]; z is left to an amortised normal.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("dequantised_vae"), guides.UniformNoise, steps=5)
        >>> [site.name for site in fit.guide.noise], type(fit.guide.rest).__name__
        (['u'], 'AmortisedNormal')
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(
        self, latents: Latents, rest: Callable[[Latents], Guide] = AmortisedNormal
    ) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.noise = tuple(site for site in latents.sites if _in_unit(site))
        self.rest = rest(latents.select(*(s.name for s in latents.sites if not _in_unit(s))))

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """There is no noise to be uniform, or nothing besides."""
        found = [_in_unit(site) for site in latents.sites]
        if any(found) and not all(found):
            return None
        return (
            f"{cls.__name__} draws latents on [0, 1] as noise and leaves the others to another "
            f"guide; the model has {latents.listed}, {'all' if all(found) else 'none'} of them on "
            "[0, 1]. Use amortised_normal."
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        values = self.rest(*args, **kwargs)
        # the rest has opened these plates, and a trace holds each of them only once
        with poutine.block(hide=[plate.name for site in self.noise for plate in site.plates]):
            plates = self.plates(args)
        like = next(arg for arg in args if isinstance(arg, Tensor))
        for site in self.noise:
            zeros = torch.zeros(site.event_shape, dtype=like.dtype, device=like.device)
            uniform = dist.Uniform(zeros, torch.ones_like(zeros)).to_event(len(site.event_shape))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, uniform)
        return values


def _in_unit(site: Latent) -> bool:
    return site.base_support is constraints.unit_interval
