"""The plates that latents lie in, and scales from unconstrained numbers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pyro.poutine.subsample_messenger import SubsampleMessenger

from zoo.latents import Latent
from zoo.optim.scales import positive as positive
from zoo.optim.scales import unscaled as unscaled

Plates = dict[str, SubsampleMessenger]


@contextmanager
def inside(plates: Plates, latent: Latent) -> Iterator[None]:
    """Enters the plates that a latent lies in."""
    with ExitStack() as stack:
        for plate in latent.plates:
            stack.enter_context(plates[plate.name])
        yield
