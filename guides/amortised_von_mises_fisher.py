"""Amortised von Mises-Fisher: a network gives each row's mean direction and concentration.

    q(z | x) = e^( k(x) m(x).z ) / Z(k(x)),   k(x) = d (1 + softplus(a(x))) on S^(d-1).

The KL from the uniform prior has a closed form.
Parameters: the encoder's, which gives d numbers of a direction and a(x).
Source: Davidson et al. 2018, "Hyperspherical variational auto-encoders".
Departs from the paper: 1 + softplus is in units of d; gradients in k are implicit.
Topic: Spheres and hyperbolic space.
"""

from torch import Tensor

from guides.parts.amortised_direction import AmortisedDirection
from zoo.manifolds.von_mises_fisher import VonMisesFisher


class AmortisedVonMisesFisher(AmortisedDirection):
    """Each row's direction von Mises-Fisher, with parameters that a network reads off the row.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Draws are points of the unit sphere:

        >>> import guides, torch, zoo
        >>> task = zoo.load("hyperspherical_vae", latent=3)
        >>> fit = zoo.fit(task, guides.AmortisedVonMisesFisher, steps=5)
        >>> z = fit.guide(task.split("train")[0][:4])["z"]
        >>> z.shape, bool(torch.allclose(z.norm(dim=-1), torch.ones(4)))
        (torch.Size([4, 3]), True)
    """

    def distribution(self, loc: Tensor, concentration: Tensor) -> VonMisesFisher:
        """By the mean direction, (..., d), and the concentration, (...)."""
        return VonMisesFisher(loc, concentration)
