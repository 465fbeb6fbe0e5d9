"""Priors over one vector z: one a file; this table names them.

Each is a module whose forward gives the distribution of one z, event shape (M,) and no batch: put
it inside a plate and it is drawn for each row.
"""

from collections.abc import Callable

from torch import nn

from zoo.priors.autoregressive import AutoregressivePrior
from zoo.priors.maf import MAFPrior
from zoo.priors.mixture import MixturePrior
from zoo.priors.realnvp import RealNVPPrior
from zoo.priors.standard import StandardNormal
from zoo.priors.vamp import VampPrior

PRIORS: dict[str, Callable[[int, int], nn.Module]] = {  # of M latents and D features
    "standard": lambda latent, features: StandardNormal(latent),
    "mixture": lambda latent, features: MixturePrior(latent),
    "vamp": VampPrior,
    "realnvp": lambda latent, features: RealNVPPrior(latent),
    "maf": lambda latent, features: MAFPrior(latent),
    "autoregressive": lambda latent, features: AutoregressivePrior(latent),
}

__all__ = [
    "PRIORS",
    "AutoregressivePrior",
    "MAFPrior",
    "MixturePrior",
    "RealNVPPrior",
    "StandardNormal",
    "VampPrior",
]
