"""Amortised power spherical: a network gives each row's mean direction and concentration.

    q(z | x) = C(k) (1 + m(x).z)^k(x),   k(x) = d (1 + softplus(a(x))) on S^(d-1).

Draws are exact functions of noise, and the KL from the uniform prior has a closed form.
Parameters: the encoder's, which gives d numbers of a direction and a(x).
Source: De Cao & Aziz 2020, "The power spherical distribution".
Topic: Spheres and hyperbolic space.
"""

from torch import Tensor

from guides.parts.amortised_direction import AmortisedDirection
from zoo.manifolds.power_spherical import PowerSpherical


class AmortisedPowerSpherical(AmortisedDirection):
    """Each row's direction power spherical, with parameters that a network reads off the row.

    Args:
        latents: the latents to cover.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Draws are points of the unit sphere:

        >>> import guides, torch, zoo
        >>> task = zoo.load("hyperspherical_vae", latent=3)
        >>> fit = zoo.fit(task, guides.AmortisedPowerSpherical, steps=5)
        >>> z = fit.guide(task.split("train")[0][:4])["z"]
        >>> z.shape, bool(torch.allclose(z.norm(dim=-1), torch.ones(4)))
        (torch.Size([4, 3]), True)
    """

    def distribution(self, loc: Tensor, concentration: Tensor) -> PowerSpherical:
        """By the mean direction, (..., d), and the concentration, (...)."""
        return PowerSpherical(loc, concentration)
