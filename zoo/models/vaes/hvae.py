"""Hierarchical variational autoencoder: groups of latents, from coarse to fine.

The top group is drawn first, and a network of it gives a vector h, the path. Every further group
is drawn given h and adds a residual to it; the last h gives the row. A guide can use the same
path.

Generative process, for each row n, over groups l = L, ..., 1 from the top:
    z_L ~ p(z_L),                                  h_L = relu(f z_L)
    z_l ~ N(m_l(h_{l+1}), diag s_l(h_{l+1})^2),    h_l = h_{l+1} + r_l(h_{l+1}, z_l),    l < L
    x   ~ likelihood(g(h_1))

Shapes: x (rows, D), z_l (rows, M_l), h (rows, width); f, m_l, log s_l and g affine, r_l a network
with one hidden layer. With one group it is the Bernoulli VAE with one hidden layer, exactly.
Sources: Vahdat and Kautz (2020), NVAE, NeurIPS; Sonderby et al. (2016), Ladder variational
autoencoders, NeurIPS.
Departs from the papers: dense layers instead of convolutions, no batch normalisation.

Nothing is known exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.likelihoods import LIKELIHOODS
from zoo.models.parts import Parts, check_likelihood, prior_of
from zoo.models.shapes import require_groups, require_shape
from zoo.nn import beside

LARGEST_LOG_SCALE = math.log(10.0)  # a group's prior scale stays between 1/10 and 10


class HierarchicalVAE(nn.Module):
    """Generative half of an autoencoder with L groups of Gaussian latents."""

    def __init__(
        self,
        features: int,
        prior: nn.Module,
        likelihood: nn.Module,
        groups: Sequence[int] = (8, 16),
        width: int = 200,
    ) -> None:
        """Builds the path from the top group to the row.

        Args:
            features: data dimension D.
            prior: of the top group; called, it gives a distribution over vectors of size M_L.
            likelihood: (..., D, numbers) -> distribution over rows; see `zoo.likelihoods`.
            groups: sizes M_L, ..., M_1 from the top.
            width: of the path.

        Raises:
            ValueError: there is no group, or one without a latent.
        """
        super().__init__()
        require_groups(groups)
        self.features, self.groups, self.width = features, tuple(groups), width
        self.entrance = nn.Sequential(nn.Linear(groups[0], width), nn.ReLU())
        self.moments = nn.ModuleList(nn.Linear(width, 2 * size) for size in groups[1:])
        self.cells = nn.ModuleList(_cell(width + size, width) for size in groups[1:])
        self.leave = nn.Linear(width, features * int(likelihood.numbers))  # type: ignore[arg-type]
        self.prior, self.likelihood = prior, likelihood

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """Widths of an encoder's hidden layers: the path's width, once for each group."""
        return (self.width,) * len(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups from the top: z_L, ..., z_1."""
        return tuple(f"z_{level}" for level in range(len(self.groups), 0, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: sites z_L, ..., z_1, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        top, *others = self.names
        with pyro.plate("data", len(x)):
            path = self.enter(pyro.sample(top, self.prior()))
            for level, name in enumerate(others):
                loc, scale = self.group(level, path)
                z = pyro.sample(name, dist.Normal(loc, scale).to_event(1))
                path = self.descend(level, path, z)
            return pyro.sample("x", self.likelihood(self.outputs(path)), obs=x)

    def enter(self, z: Tensor) -> Tensor:
        """The path below the top group: (..., M_L) -> (..., width)."""
        return self.entrance(z)

    def group(self, level: int, path: Tensor) -> tuple[Tensor, Tensor]:
        """Prior mean and scale of the group `level` steps below the second: (..., M_l) each."""
        loc, log_scale = self.moments[level](path).chunk(2, dim=-1)
        return loc, (LARGEST_LOG_SCALE * torch.tanh(log_scale / LARGEST_LOG_SCALE)).exp()

    def descend(self, level: int, path: Tensor, z: Tensor) -> Tensor:
        """The path below that group: (..., width)."""
        return path + self.cells[level](beside(path, z))

    def outputs(self, path: Tensor) -> Tensor:
        """The numbers that the likelihood takes: (..., width) -> (..., D, numbers)."""
        left = self.leave(path)
        return left.reshape(*left.shape[:-1], self.features, -1)

    def mean(self, *groups: Tensor) -> Tensor:
        """Expected x given the groups from the top, each (..., M_l): shape (..., D).

        Groups that are left out stay at their prior means.
        """
        path = self.enter(groups[0])
        for level in range(len(self.moments)):
            given = groups[level + 1 : level + 2]
            path = self.descend(level, path, *given or self.group(level, path)[:1])
        return self.likelihood.mean(self.outputs(path))  # type: ignore[operator]


def _cell(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width))


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The hierarchical autoencoder of these parts, with fresh parameters.

    Raises:
        ValueError: if a part does not suit the data or another part, or the groups make no sense.
    """
    assert parts.likelihood is not None
    assert parts.groups is not None
    check_likelihood(parts.likelihood, data)
    choice = LIKELIHOODS[parts.likelihood]
    if choice.dequantises:
        raise ValueError(
            f"Likelihood '{parts.likelihood}' is a density of levels with noise; hvae draws none. "
            "Use model 'dequantised_vae', or the likelihood 'logistic_mixture'."
        )
    likelihood = choice.build(data.levels)
    prior = prior_of(data, replace(parts, latent=parts.groups[0]))
    return HierarchicalVAE(data.features, prior, likelihood, parts.groups)
