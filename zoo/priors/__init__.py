"""Priors over one vector z: one a file; this table names them.

Each is a module whose forward gives the distribution of one z, event shape (M,) and no batch: put
it inside a plate and it is drawn for each row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from zoo.priors.autoregressive import AutoregressivePrior
from zoo.priors.maf import MAFPrior
from zoo.priors.mixture import MixturePrior
from zoo.priors.realnvp import RealNVPPrior
from zoo.priors.standard import StandardNormal
from zoo.priors.vamp import VampPrior


@dataclass(frozen=True)
class PriorChoice:
    """A prior by name, and what it needs.

    Attributes:
        build: (M latents, D features) -> the prior with fresh parameters.
        recognises: Has it a network that recognises whole rows? See
            :class:`zoo.protocols.Recognises`.
    """

    build: Callable[[int, int], nn.Module]
    recognises: bool = False


PRIORS: dict[str, PriorChoice] = {
    "standard": PriorChoice(lambda latent, features: StandardNormal(latent)),
    "mixture": PriorChoice(lambda latent, features: MixturePrior(latent)),
    "vamp": PriorChoice(VampPrior, recognises=True),
    "realnvp": PriorChoice(lambda latent, features: RealNVPPrior(latent)),
    "maf": PriorChoice(lambda latent, features: MAFPrior(latent)),
    "autoregressive": PriorChoice(lambda latent, features: AutoregressivePrior(latent)),
}

__all__ = [
    "PRIORS",
    "AutoregressivePrior",
    "MAFPrior",
    "MixturePrior",
    "PriorChoice",
    "RealNVPPrior",
    "StandardNormal",
    "VampPrior",
]
