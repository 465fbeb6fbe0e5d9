"""Variational autoencoder of grey levels whose likelihood is a RealNVP flow given z.

Its latents are z and the noise u that fills the bins of the grey levels, as in `dequantised_vae`.

Generative process, for each row n of levels k_n in {0, ..., L - 1}^D:
    z_n ~ r(z),                        the prior, of zoo.priors; a RealNVP by default
    u_n ~ Uniform(0, 1)^D
    k_n + u_n ~ L y,  y ~ RealNVP(y | f(z_n)),   f the decoder

Shapes: those of `dequantised_vae`.
Sources: Dinh, Sohl-Dickstein and Bengio (2017), Density estimation using Real NVP, ICLR; Ho, Chen,
Srinivas, Duan and Abbeel (2019), Flow++, ICML.
Departs from the papers: see `zoo.likelihoods.realnvp`; the density is a variational autoencoder's.

Nothing is known exactly.
"""

from torch import nn

from zoo.data import Data
from zoo.likelihoods.realnvp import RealNVPLikelihood
from zoo.models.parts import Parts, check_likelihood
from zoo.models.vaes.dequantised_vae import dequantised


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The dequantised autoencoder whose density of a row is a RealNVP, with fresh parameters.

    Raises:
        ValueError: if a part does not suit the data or another part.
    """
    check_likelihood("dequantised", data)
    return dequantised(data, parts, "realnvp", RealNVPLikelihood(data.features))
