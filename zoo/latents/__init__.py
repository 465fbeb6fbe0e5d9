"""The latents of a model, and what guides declare of theirs."""

from zoo.latents.describe import describe
from zoo.latents.family import Family
from zoo.latents.latents import Latents
from zoo.protocols import Model
from zoo.sites.latent import Latent, Plate
from zoo.sites.supports import Kind

__all__ = ["Family", "Kind", "Latent", "Latents", "Model", "Plate", "describe"]
