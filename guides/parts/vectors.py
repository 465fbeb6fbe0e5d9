"""Families over vectors: what they ask of a latent."""

from torch import nn

from zoo.latents import Latents


def require_vectors(guide: nn.Module, latents: Latents) -> None:
    """Refuses latents that are not vectors in unconstrained space.

    Raises:
        ValueError: naming the latent and its shape.
    """
    for site in latents.sites:
        if len(site.unconstrained_shape) != 1:
            raise ValueError(
                f"{type(guide).__name__} takes latents that are vectors; '{site.name}' has "
                f"unconstrained shape {tuple(site.unconstrained_shape)}. Give it one event "
                "dimension with .to_event(1), or use AmortisedNormal."
            )
