"""Deep Markov model: a chain of hidden vectors, each seen through a network.

A hidden state moves by a network with a gate, and at each time a second network says what is
observed. Rows are sequences of several lengths, padded to the longest.

Generative process, for each row n of length T_n:
    z_n0 ~ N(0, I_M)
    z_nt ~ N(m(z_n(t-1)), diag s(z_n(t-1))^2),     t = 1 .. T_n - 1
    x_ntj ~ Bernoulli(sigmoid(f(z_nt)_j)),         t = 0 .. T_n - 1

Shapes: x (rows, T, D) of zeros and ones; seen (rows, T), ones for the times of a row and zeros
after its end; z_0 .. z_(T-1), each (rows, M).
Source: Krishnan, Shalit and Sontag (2017), Structured inference networks for nonlinear state space
models, AAAI. Compare Pyro's tutorial on the deep Markov model.
Departs from the paper: the layers are narrower; the KL term is not annealed unless `kl_weight`
asks for it.

After its end a row has states that nothing depends on: z_nt ~ N(0, I) each, which guides may or
may not know. They add nothing to the evidence log p(x_n0 .. x_n(T_n - 1)). Masked instead, as in
Pyro's tutorial, they would add the entropy of any guide that draws them, and the ELBO would be no
bound. The times of a row that are not seen have to come last.

With `LinearTransition` and `LinearEmission` it is a linear Gaussian model, whose evidence the
Kalman filter has. The loop over time is unrolled where a step is compiled.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.models.parts import Parts
from zoo.models.shapes import require_shape
from zoo.models.time_series.emissions import BernoulliEmission
from zoo.models.time_series.transitions import GatedTransition

WIDTH = 64


class DeepMarkov(nn.Module):
    """State space model whose transition and emission are networks."""

    def __init__(
        self,
        length: int,
        features: int,
        latent: int = 8,
        width: int = WIDTH,
        transition: nn.Module | None = None,
        emission: nn.Module | None = None,
    ) -> None:
        """Builds the networks.

        Args:
            length: number of times T of the longest row.
            features: number of values D at each time.
            latent: dimension M of a state.
            width: of all hidden layers.
            transition: (..., M) -> mean and scale of the next state; None for the gated one.
            emission: (..., M) -> distribution of x at that time; None for bits.

        Raises:
            ValueError: there are fewer than two times.
        """
        super().__init__()
        if length < 2:
            raise ValueError(f"Expected length >= 2; got {length}. Give rows of several times.")
        self.length, self.features, self.latent, self.width = length, features, latent, width
        self.transition = transition or GatedTransition(latent, width)
        self.emission = emission or BernoulliEmission(latent, features, width)

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """One layer, as wide as the model's own."""
        return (self.width,)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Generates sequences: sites z_0 .. z_(T-1), then the observed site x.

        Args:
            x: data, shape (rows, T, D).
            seen: which times a row has, zeros and ones, shape (rows, T).

        Returns:
            The observed sequences, shape (rows, T, D).

        Raises:
            ValueError: an argument has another shape.
        """
        require_shape("x", x, (len(x), self.length, self.features))
        require_shape("seen", seen, (len(x), self.length))
        path: list[Tensor] = []
        with pyro.plate("data", len(x)):
            for t in range(self.length):
                prior = self._prior(path, x, seen[:, t, None] > 0)
                path.append(pyro.sample(f"z_{t}", prior))
            outcome = self.emission(torch.stack(torch.broadcast_tensors(*path), -2))
            return pyro.sample("x", outcome.mask(seen > 0).to_event(1), obs=x)

    def _prior(self, path: list[Tensor], x: Tensor, seen: Tensor) -> TorchDistributionMixin:
        """p(z_t | z_(t-1)), a standard normal at the first time and after a row's last."""
        zero, one = x.new_zeros(()), x.new_ones(())
        if not path:
            return dist.Normal(zero.expand(self.latent), one).to_event(1)
        mean, scale = self.transition(path[-1])
        return dist.Normal(torch.where(seen, mean, zero), torch.where(seen, scale, one)).to_event(
            1
        )


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model for these sequences, with fresh parameters."""
    assert parts.latent is not None
    return DeepMarkov(data.train[1].shape[-1], data.features, parts.latent)
