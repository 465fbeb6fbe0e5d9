"""Measurements of known things in an unknown order: a latent permutation for each row.

Each row holds one noisy measurement of each of n items; which belongs to which is not recorded.
Sorting a row is right where items differ by much more than the noise, and uncertain where they do
not. A sum over all n! orders gives the exact evidence and posterior for up to 6 items.

Generative process, for each row r:
    pi_r ~ uniform over permutations, or Mallows about the identity (rows nearly in order)
    x_rj ~ N(mu_i, s^2), i the item in place j: pi_ri = j

Shapes: x (rows, n), pi (rows, n) int64, pi_ri the place of item i; means mu (n,), log_scale log s.
Sources: Mena, Belanger, Linderman and Snoek (2018), Learning latent permutations with
Gumbel-Sinkhorn networks, ICLR; for permutations of known items Linderman et al. (2018),
Reparameterizing the Birkhoff polytope for variational permutation inference, AISTATS.
Departs from the papers: items are numbers, and their noise is normal.

The mean of x is mu' P with P the matrix of pi, so a doubly stochastic matrix P in its place works.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.checks.arguments import number, whole
from zoo.models.shapes import require_shape
from zoo.permutations import EachPermutation, Mallows, UniformPermutation, as_matrix
from zoo.permutations.distribution import OverPermutations
from zoo.permutations.support import every_permutation


class LatentPermutation(nn.Module):
    """Items with learned values, measured in an order that is latent."""

    identity: Tensor
    concentration: Tensor

    def __init__(self, items: int, concentration: float = 0.0) -> None:
        """Starts with values evenly spaced from -1 to 1, and unit noise.

        Args:
            items: number of items n, at least 2.
            concentration: theta of the Mallows prior; 0 for the uniform one.

        Raises:
            ValueError: for fewer than two items, or a negative concentration.
        """
        super().__init__()
        whole("items", items, least=2, way="A single item has one order.")
        number("concentration", concentration, least=0.0, way="Pass 0 for a uniform prior.")
        self.means = nn.Parameter(torch.linspace(-1, 1, items))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.uniform = concentration == 0
        self.register_buffer("identity", torch.arange(items))
        self.register_buffer("concentration", torch.as_tensor(float(concentration)))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site pi, then the observed site x.

        Args:
            x: data, shape (rows, n).

        Returns:
            The observed rows, shape (rows, n).

        Raises:
            ValueError: x has another width than n.
        """
        require_shape("x", x, (len(x), len(self.means)))
        with pyro.plate("data", len(x)):
            pi = pyro.sample("pi", self.prior())
            return pyro.sample("x", dist.Normal(self.decode(pi), self.scale).to_event(1), obs=x)

    @property
    def scale(self) -> Tensor:
        """Standard deviation s of the noise, shape ()."""
        return self.log_scale.exp()

    def prior(self) -> OverPermutations:
        """Of pi, batch shape ()."""
        if self.uniform:
            return UniformPermutation(len(self.means), self.means)
        return Mallows(self.identity, self.concentration)

    def decode(self, pi: Tensor) -> Tensor:
        """Expected x given pi, a permutation or a doubly stochastic matrix: (..., n)."""
        return (self.means.unsqueeze(-2) @ as_matrix(pi, self.means.dtype)).squeeze(-2)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all n! orders.

        Args:
            x: data, shape (rows, n).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: there are more than 6 items.
        """
        return self._log_joint(x).logsumexp(-1)

    def posterior(self, x: Tensor) -> dict[str, EachPermutation]:
        """Exact posterior: a probability for every order of each row.

        Args:
            x: data, shape (rows, n).

        Returns:
            Site pi -> distribution of batch shape (rows,), event shape (n,).

        Raises:
            ValueError: there are more than 6 items.
        """
        return {"pi": EachPermutation(self._log_joint(x), len(self.means))}

    def _log_joint(self, x: Tensor) -> Tensor:
        """Log p(x_r, pi_r) of every order, nats, shape (rows, n!)."""
        every = every_permutation(len(self.means), x.device)
        orders = dist.Normal(self.decode(every), self.scale).to_event(1)
        return self.prior().log_prob(every) + orders.log_prob(x[:, None])
