"""Is a model in another form the same posterior? Its density, with the Jacobian, must say so.

With u the unconstrained latents of the model and v those of the other form,

    log p(u(v)) + log|det du/dv| - log p~(v)

is one constant over all v if and only if both are the same posterior.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from pyro import poutine
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.distributions import biject_to

from zoo.sampling.joint_density import JointDensity
from zoo.sites.supports import unmixed

POINTS = 3
TOLERANCE = 1e-8
Values = Callable[[Tensor], tuple[Tensor, ...]]


def require_same(own: JointDensity, other: JointDensity, values: Values) -> None:
    """Refuses another form that is not the same posterior, at a few random points.

    Args:
        own: density of the model.
        other: density of its other form.
        values: v (size,) -> the values of the model's own latents, in the order of `own`.

    Raises:
        ValueError: with the two numbers of latents, or how far the densities are apart.
    """
    if own.size != other.size:
        raise ValueError(
            f"Expected in_other_form to have as many numbers as forward, {own.size}; got "
            f"{other.size}. Each form's latents must follow from the other's."
        )
    found = differences(own, other, values, torch.randn(POINTS, other.size))
    spread, size = float(found.max() - found.min()), float(found.abs().max())
    if not spread <= TOLERANCE * (1 + size):
        raise ValueError(
            "Expected in_other_form to have the density of forward, up to a constant; got "
            f"differences of up to {spread:.3g} nats between {POINTS} points. Give every latent "
            "the density under which the latents of forward follow their prior."
        )


def differences(own: JointDensity, other: JointDensity, values: Values, v: Tensor) -> Tensor:
    """The number above at points v (n, size), nats, (n,)."""
    names = [site.name for site in own.columns.sites]

    def to_u(point: Tensor) -> Tensor:
        held = dict(zip(names, values(point), strict=True))
        with own.program.handlers(None):
            model = poutine.condition(own.program.model, data=held)
            nodes: dict[str, Any] = poutine.trace(model).get_trace(*own.all_args).nodes
        supports = [unmixed(nodes[name]["fn"].support) for name in names]
        parts = zip(supports, held.values(), strict=True)
        return torch.cat([biject_to(support).inv(value).reshape(-1) for support, value in parts])

    slopes = torch.stack([cast(Tensor, jacobian(to_u, point)) for point in v])
    u = torch.stack([to_u(point) for point in v])
    target = own(u[:, None]).target[:, 0] + torch.linalg.slogdet(slopes).logabsdet
    return target - other(v[:, None]).target[:, 0]


def require_sites(names: Sequence[str], held: Sequence[str]) -> None:
    """Raises ValueError if another form lacks sites of the model."""
    missing = [name for name in names if name not in held]
    if missing:
        raise ValueError(
            f"Expected in_other_form to hold the model's latents {list(names)}; it has no "
            f"{missing}. Give each as pyro.deterministic(name, value)."
        )
