"""A model's log posterior as a function of one vector of unconstrained numbers, for NUTS.

Sites with a location and a scale can be sampled non-centred, theta = loc + scale * eta. The
posterior of theta is the same, and that of eta has no funnel.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam
from pyro.infer.reparam.reparam import Reparam
from torch import Tensor, nn

from zoo.latents import Kind, Latents, Model, describe
from zoo.program.guideless import without_guide
from zoo.reference.record import Scalars
from zoo.sampling.joint_density import JointDensity
from zoo.sampling.traced import traced
from zoo.sampling.unconstrained import Bijected
from zoo.sites.supports import SUMMED

LARGEST_START = 2.0  # of each coordinate of a starting point
TRIES = 100
Slope = Callable[[Tensor], tuple[Tensor, Tensor]]


class Posterior:
    """The log posterior of a model over one vector of unconstrained numbers.

    Args:
        model: any Pyro model.
        args: what it is called with.
        noncentred: sites to sample as loc + scale * eta.

    Attributes:
        density: log joint density of the model in the form that is sampled.
        names: of the latents of the original model.

    Raises:
        ValueError: see :func:`sample_reference`.
    """

    def __init__(self, model: Model, args: tuple, noncentred: Sequence[str]) -> None:
        if isinstance(model, nn.Module):
            model = copy.deepcopy(model).double().eval()
        own = describe(model, *args)
        refuse(own)
        for name in noncentred:
            own[name]  # raises for a name that is no latent
        config: dict[str, Reparam] = {name: LocScaleReparam(0.0) for name in noncentred}
        sampled = poutine.reparam(model, config) if config else model
        self.names, self.args = own.names, args
        self.density = JointDensity(without_guide(sampled, args), args)
        u = torch.rand(self.density.size)
        self.slope = traced(self.plain, (u,), (0.1 - 0.9 * u,))

    def __call__(self, place: dict[str, Tensor]) -> Tensor:
        """The potential energy, nats, shape ()."""
        return Potential.apply(place["u"], self.slope)

    def plain(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The log density, nats, shape (), and its gradient, (size,), through the model."""
        with torch.enable_grad():
            leaf = u.detach().requires_grad_()
            target = self.density(leaf.reshape(1, 1, -1)).target.sum()
            (gradient,) = torch.autograd.grad(target, leaf)
        return target.detach(), gradient

    def start(self) -> Tensor:
        """A starting point, uniform within 2 of the origin, of finite density: shape (size,).

        Raises:
            ValueError: if there is none.
        """
        for _ in range(TRIES):
            u = LARGEST_START * (2 * torch.rand(self.density.size) - 1)
            target, gradient = self.slope(u)
            if target.isfinite() and gradient.isfinite().all():
                return u
        raise ValueError(
            f"Expected a finite density near the origin of unconstrained space; got none in "
            f"{TRIES} tries. Check the model's log density at plausible values."
        )

    @torch.no_grad()
    def values(self, us: Tensor) -> Scalars:
        """Site -> values, (draws, *shape), in the model's own form; us (draws, size)."""
        found = [self._value(u) for u in us]
        return {name: torch.stack([one[name] for one in found]) for name in self.names}

    def _value(self, u: Tensor) -> dict[str, Tensor]:
        columns, program = self.density.columns, self.density.program
        parts = u.split(columns.sizes)
        shaped = {
            site.name: part.reshape(site.batch_shape + site.unconstrained_shape)
            for site, part in zip(columns.sites, parts, strict=True)
        }
        with program.handlers(None), Bijected(shaped):
            nodes = poutine.trace(program.model).get_trace(*self.args).nodes
        return {name: cast(Tensor, nodes[name]["value"]) for name in self.names}


class Potential(torch.autograd.Function):
    """Minus the log density, with the gradient that the traced function gives."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, slope: Slope) -> Tensor:
        """Nats, shape (); u (size,)."""
        target, gradient = slope(u)
        ctx.save_for_backward(gradient)
        return -target

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Its gradient in u."""
        (gradient,) = ctx.saved_tensors
        return -gradient * grads[0], None


def refuse(latents: Latents) -> None:
    """Raises ValueError for a latent that NUTS cannot sample here."""
    for site in latents.sites:
        if site.kind is not Kind.CONTINUOUS:
            way = "Score it by iwae_K with a guide for it."
            if site.kind in SUMMED:
                way = "Ask the model's exact posterior by enumeration, or sum it out in the model."
            raise ValueError(
                f"NUTS moves continuous latents; '{site.name}' is {site.kind.value}. {way}"
            )
        if site.local:
            raise ValueError(
                f"A reference is of latents that rows share; '{site.name}' lies in the plate "
                "'data', with a posterior for each row. Score it by ais or iwae_K, or, for few "
                "rows, name the plate otherwise."
            )


def as_double(arg: object) -> object:
    """The argument, in double precision if it is a tensor of floating point numbers."""
    return arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg
