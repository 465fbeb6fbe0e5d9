"""Deep belief network: a restricted Boltzmann machine as the prior of a layer above the pixels.

The two hidden layers make an RBM, whose top units are summed out; the pixels hang on the layer
below by directed weights, as in a sigmoid belief network. Trained layer by layer, the first RBM
gives the directed weights and the guide, and the second one, trained on what the guide infers of
the data, replaces the prior that the first one implies.

Joint distribution, for each row n:
    p(h1_n)       = exp( -F(h1_n) ) / Z,    F(h1) = -b1 h1 - sum_k log( 1 + exp( (c + h1 V)_k ) )
    x_ni | h1_n   ~ Bernoulli( sigmoid( a + h1_n W )_i )

Shapes: x (rows, D), h1 (rows, K1) of zeros and ones; V (K1, K2), b1 (K1,), c (K2,); W (K1, D).
Source: Hinton, Osindero and Teh (2006), A fast learning algorithm for deep belief nets, Neural
Computation 18.
Departs from the paper: two hidden layers; `stacked` trains greedily, and `pcd_rloo` trains all
weights by the variational bound, where the paper uses the up-down algorithm; no labels.

The site h1 scores -F and leaves log Z out, see `zoo show rbm`.

Known exactly: log p(x), where h1 has at most 20 units.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.energies import Bipartite, Boltzmann, bits, exact_log_z
from zoo.models.energies.rbm import RBM
from zoo.models.exact_sums import bernoulli_log_likelihood, blocks
from zoo.models.parts import Parts
from zoo.models.shapes import require_shape


class DBN(nn.Module):
    """Binary rows under binary latents whose prior is an RBM."""

    def __init__(self, features: int, layers: tuple[int, int] = (32, 64)) -> None:
        """Starts with small random weights in the prior and a random affine decoder.

        Args:
            features: number of pixels D.
            layers: numbers of hidden units (K2, K1), the top layer first.

        Raises:
            ValueError: there are not two layers.
        """
        super().__init__()
        if len(layers) != 2:
            raise ValueError(f"Expected two layers, the top first; got {tuple(layers)}.")
        top, middle = layers
        self.prior = RBM(middle, top)
        self.decoder = nn.Linear(middle, features)

    def forward(self, x: Tensor) -> Tensor:
        """Site h1, which scores -F without log Z, then the observed site x.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.decoder.out_features))
        with pyro.plate("data", len(x)):
            h1 = pyro.sample("h1", Boltzmann(self.machine))
            return pyro.sample("x", dist.Bernoulli(logits=self.decode(h1)).to_event(1), obs=x)

    @property
    def machine(self) -> Bipartite:
        """The layer h1 on the left, the top units on the right."""
        return self.prior.machine

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels: (..., K1) -> (..., D)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given h1, in [0, 1]: (..., K1) -> (..., D)."""
        return torch.sigmoid(self.decode(z))

    def sites_of(self, left: Tensor) -> dict[str, Tensor]:
        """What the sites hold where h1 has this state; x is drawn given it."""
        return {"h1": left, "x": bits(self.decode(left))}

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), h1 summed over its states: (rows, D) -> (rows,), nats.

        Raises:
            ValueError: h1 has more than 20 units.
        """
        total = x.new_full((len(x),), -torch.inf)
        for block in blocks(self.decoder.in_features, 2):
            h1 = block.to(x)
            given = bernoulli_log_likelihood(x, self.decode(h1))
            total = torch.logaddexp(total, (given - self.machine.free_energy(h1)).logsumexp(-1))
        return total - exact_log_z(self.machine)


def stacked(first: RBM, second: RBM) -> DBN:
    """The DBN of two RBMs that were trained one after the other: copies of their weights.

    Args:
        first: of the pixels; its weights become the directed ones.
        second: of the first one's hidden units; it becomes the prior.

    Raises:
        ValueError: the second one has another number of left units than the first of hidden ones.
    """
    (features, middle), (left, top) = first.weight.shape, second.weight.shape
    if middle != left:
        raise ValueError(
            f"Expected a second RBM of {middle} units, the hidden ones of the first; got {left}."
        )
    net = DBN(features, (top, middle)).to(first.weight)
    with torch.no_grad():
        net.decoder.weight.copy_(first.machine.weight)
        net.decoder.bias.copy_(first.machine.left_bias)
        for own, other in zip(net.machine, second.machine, strict=True):
            own.copy_(other)
    return net


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with layers of these sizes and fresh parameters."""
    assert parts.groups is not None
    return DBN(data.features, parts.groups)  # type: ignore[arg-type]
