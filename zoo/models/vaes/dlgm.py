"""Deep latent Gaussian model: layers of Gaussian noise, each added to a function of the one above.

Every layer is a nonlinear function of the layer above it plus noise of its own, mixed by a matrix.
The latents are the noises, which are independent before any data.

Generative process, for each row, over layers l = L, ..., 1 from the top:
    xi_L ~ p(xi_L), N(0, I) as a rule,    xi_l ~ N(0, I),    l < L
    h_L = G_L xi_L,                       h_l = T_l(h_{l+1}) + G_l xi_l,
    x   ~ likelihood(T_0(h_1))

Shapes: x (rows, D), xi_l and h_l (rows, M_l); T_l a network with one hidden layer, G_l a matrix.
With one layer it is a VAE whose decoder begins with the matrix G_1.
Source: Rezende, Mohamed and Wierstra (2014), Stochastic backpropagation and approximate inference
in deep generative models, ICML.
Departs from the paper: no Gaussian prior over the parameters; the top noise may have another one.

It is not `hvae` under another name. There a group's prior N(m_l(h), s_l(h)^2) has a scale that
depends on the groups above, and all groups write into one path of a fixed width; here a layer's
noise has the fixed covariance G_l G_l^T, and the layer below sees nothing but h_l.

Nothing is known exactly.
"""

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


class DeepLatentGaussian(nn.Module):
    """Generative half of an autoencoder with L layers of Gaussian noise."""

    def __init__(
        self,
        features: int,
        prior: nn.Module,
        likelihood: nn.Module,
        groups: Sequence[int] = (8, 16),
        width: int = 200,
    ) -> None:
        """Builds the layers from the top to the row.

        Args:
            features: data dimension D.
            prior: of the top noise; called, it gives a distribution over vectors of size M_L.
            likelihood: (..., D, numbers) -> distribution over rows; see `zoo.likelihoods`.
            groups: sizes M_L, ..., M_1 from the top.
            width: hidden units of every T_l.

        Raises:
            ValueError: there is no layer, or one without a latent.
        """
        super().__init__()
        require_groups(groups)
        self.features, self.groups, self.width = features, tuple(groups), width
        outputs = (*self.groups[1:], features * int(likelihood.numbers))  # type: ignore[arg-type]
        pairs = zip(self.groups, outputs, strict=True)
        self.transforms = nn.ModuleList(_transform(size, width, out) for size, out in pairs)
        self.mixing = nn.ParameterList(torch.eye(size) for size in self.groups)
        self.prior, self.likelihood = prior, likelihood

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """Widths of an encoder's hidden layers: that of a T_l, once for each layer."""
        return (self.width,) * len(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the noises from the top: xi_L, ..., xi_1."""
        return tuple(f"xi_{level}" for level in range(len(self.groups), 0, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: sites xi_L, ..., xi_1, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            noises = [pyro.sample(self.names[0], self.prior())]
            for name, size in zip(self.names[1:], self.groups[1:], strict=True):
                noise = dist.Normal(x.new_zeros(size), 1.0).to_event(1)
                noises.append(pyro.sample(name, noise))
            return pyro.sample("x", self.likelihood(self.outputs(noises)), obs=x)

    def outputs(self, noises: Sequence[Tensor]) -> Tensor:
        """The numbers that the likelihood takes, given xi_L, ..., xi_1: (..., D, numbers)."""
        below = torch.zeros(())
        for noise, mixing, transform in zip(noises, self.mixing, self.transforms, strict=True):
            below = transform(below + noise @ mixing.T)
        return below.reshape(*below.shape[:-1], self.features, -1)

    def mean(self, *noises: Tensor) -> Tensor:
        """Expected x given the noises from the top, each (..., M_l): shape (..., D).

        Those that are left out are 0.
        """
        given = list(noises)
        for size in self.groups[len(given) :]:
            given.append(given[0].new_zeros(*given[0].shape[:-1], size))
        return self.likelihood.mean(self.outputs(given))  # type: ignore[operator]


def _transform(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The deep latent Gaussian model of these parts, with fresh parameters.

    Raises:
        ValueError: if the likelihood does not suit the data, or the groups make no sense.
    """
    assert parts.likelihood is not None
    assert parts.groups is not None
    check_likelihood(parts.likelihood, data)
    choice = LIKELIHOODS[parts.likelihood]
    if choice.dequantises:
        raise ValueError(
            f"Likelihood '{parts.likelihood}' is a density of levels with noise; dlgm draws none. "
            "Use model 'dequantised_vae', or the likelihood 'logistic_mixture'."
        )
    prior = prior_of(data, replace(parts, latent=parts.groups[0]))
    return DeepLatentGaussian(data.features, prior, choice.build(data.levels), parts.groups)
