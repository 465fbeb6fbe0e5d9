"""The plates that latents lie in, and scales from unconstrained numbers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from pyro.poutine.subsample_messenger import SubsampleMessenger
from torch import Tensor

from zoo.latents import Latent

Plates = dict[str, SubsampleMessenger]
SMALLEST = 1e-12  # scale: data in large units have coefficients in small ones


@contextmanager
def inside(plates: Plates, latent: Latent) -> Iterator[None]:
    """Enters the plates that a latent lies in."""
    with ExitStack() as stack:
        for plate in latent.plates:
            stack.enter_context(plates[plate.name])
        yield


def positive(unconstrained: Tensor) -> Tensor:
    """A scale from an unconstrained number: softplus, with a floor against 0."""
    return torch.nn.functional.softplus(unconstrained) + SMALLEST


def unscaled(scale: Tensor) -> Tensor:
    """The unconstrained number of a scale: the inverse of :func:`positive`."""
    scale = (scale - SMALLEST).clamp(min=SMALLEST)
    return scale + (-torch.expm1(-scale)).log()
