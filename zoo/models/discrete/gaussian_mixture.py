"""Mixture of Gaussians with a weight, mean and scale for each component.

A hidden label says which of K components a point comes from. Only the labels are latent, so a sum
over K values gives the exact evidence and the exact responsibilities: a guide for discrete
latents, relaxed or not, can be compared with the exact posterior of every row.

Generative process, for each row n:
    z_n ~ OneHotCategorical(pi)
    x_nd ~ N(mu_kd, s_kd^2), k the component that z_n names

Shapes: x (rows, D), z (rows, K), logits log pi (K,), means mu (K, D), log_scales log s (K, D).
Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM
algorithm, JRSS B 39(1).
Departs from the paper: covariances are diagonal; their scales are learned as logarithms.

Mean, log s and log prior are linear in z, which is not checked to be at a vertex, so a relaxed z
in the interior of the simplex works.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.exact_sums import one_hot_moments
from zoo.models.shapes import require_shape


class GaussianMixture(nn.Module):
    """Mixture of Gaussians with learned weights, means and scales; its labels are latent."""

    def __init__(self, features: int, components: int = 3) -> None:
        """Starts with equal weights, random means and unit scales.

        Args:
            features: data dimension D.
            components: number of components K, at least 2.

        Raises:
            ValueError: there are fewer than two components.
        """
        super().__init__()
        if components < 2:
            raise ValueError(
                f"Expected components >= 2; got {components}. "
                "A single component has no label; use a normal distribution."
            )
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, features))
        self.log_scales = nn.Parameter(torch.zeros(components, features))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.means.shape[1]))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.OneHotCategorical(logits=self.logits, validate_args=False))
            scale = (z @ self.log_scales).exp()
            return pyro.sample("x", dist.Normal(self.decode(z), scale).to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """Expected x given z: (..., K) -> (..., D)."""
        return z @ self.means

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over the K labels.

        Args:
            x: data, shape (rows, D).

        Returns:
            Nats, shape (rows,).
        """
        return self._log_joint(x).logsumexp(-1)

    def posterior(self, x: Tensor) -> dict[str, Distribution]:
        """Exact posterior: the responsibilities of the components.

        Args:
            x: data, shape (rows, D).

        Returns:
            Site z -> distribution of batch shape (rows,), event shape (K,).
        """
        return {"z": dist.OneHotCategorical(logits=self._log_joint(x))}

    def posterior_moments(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of z.

        Args:
            x: data, shape (rows, D).

        Returns:
            Site z -> (mean, sd), each of shape (rows, K).
        """
        return {"z": one_hot_moments(self._log_joint(x))}

    def _log_joint(self, x: Tensor) -> Tensor:
        """Log p(x_n, z_n = k), nats, shape (rows, K)."""
        components = dist.Normal(self.means, self.log_scales.exp()).to_event(1)
        return self.logits.log_softmax(-1) + components.log_prob(x[:, None])
