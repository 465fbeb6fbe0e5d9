"""Deep Boltzmann machine: pixels and two layers of hidden units, weights between neighbours only.

The middle layer hangs on the pixels below and on the top layer. Given it, pixels and top units are
independent: the machine has two sides, (x, h2) and h1, and Gibbs chains alternate between them.
Given the pixels alone the hidden layers depend on each other, so that a guide is needed.

Joint distribution, for each row n:
    p(x_n, h1_n, h2_n) = exp( b x_n + c1 h1_n + c2 h2_n + x_n W1 h1_n + h1_n W2 h2_n ) / Z

Shapes: x (rows, D), h1 (rows, K1), h2 (rows, K2) of zeros and ones; W1 (D, K1), W2 (K1, K2).
Source: Salakhutdinov and Hinton (2009), Deep Boltzmann machines, AISTATS.
Departs from the paper: two hidden layers; no greedy training of the layers before; Adam; weights
that join deviations from means, as in `rbm`, with which both layers can be trained at once.

The sites h2 and h1 are fair coins, and x puts the energy on them: all sites together score -E and
leave log Z out. Objectives for energies (pcd, cd) estimate its gradient, and scoring subtracts it,
see `zoo show rbm`. The guide coordinate_ascent is the mean field of the paper.

Known exactly: log p(x), where a hidden layer and a side of the machine have at most 20 units.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from zoo.data import Data
from zoo.energies import Bipartite, Boltzmann, bits, exact_log_z
from zoo.models.energies.rbm import HALF, centre, first_bias
from zoo.models.exact_sums import blocks
from zoo.models.parts import Parts
from zoo.models.shapes import require_shape

SMALL_WEIGHT = 0.01  # standard deviation of the first weights


class DBM(nn.Module):
    """Binary rows under two layers of binary latents, with an energy."""

    centre: Tensor | None

    def __init__(
        self,
        features: int,
        layers: tuple[int, int] = (32, 64),
        means: Tensor | None = None,
        *,
        centred: bool = False,
    ) -> None:
        """Starts with small random weights.

        Args:
            features: number of pixels D.
            layers: numbers of hidden units (K2, K1), the top layer first.
            means: of the pixels, whose logits are the first biases, (D,); None for biases of 0.
            centred: the weights join deviations from the means and from 1/2, as in `RBM`, with
                which both layers can be trained at once.

        Raises:
            ValueError: there are not two layers; or it is to be centred, and has no means.
        """
        super().__init__()
        if len(layers) != 2:
            raise ValueError(f"Expected two layers, the top first; got {tuple(layers)}.")
        top, middle = layers
        self.weight = nn.Parameter(SMALL_WEIGHT * torch.randn(features, middle))
        self.top_weight = nn.Parameter(SMALL_WEIGHT * torch.randn(middle, top))
        self.bias = nn.Parameter(torch.zeros(features) if means is None else first_bias(means))
        self.middle_bias = nn.Parameter(torch.zeros(middle))
        self.top_bias = nn.Parameter(torch.zeros(top))
        self.register_buffer("centre", centre(means) if centred else None)

    def forward(self, x: Tensor) -> Tensor:
        """Sites h2 and h1, then the observed site x with the energy of all, without log Z.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), len(self.bias)))
        with pyro.plate("data", len(x)):
            h2 = pyro.sample("h2", _coins(self.top_bias))
            h1 = pyro.sample("h1", _coins(self.middle_bias))
            return pyro.sample("x", Boltzmann(self.machine, right=h1, beside=h2), obs=x)

    @property
    def machine(self) -> Bipartite:
        """Pixels and top units on the left, the middle layer on the right."""
        weight = torch.cat([self.weight, self.top_weight.mT])
        own = Bipartite(weight, torch.cat([self.bias, self.top_bias]), self.middle_bias)
        if self.centre is None:
            return own
        return own.centred(torch.cat([self.centre, torch.full_like(self.top_bias, HALF)]), HALF)

    def sites_of(self, left: Tensor) -> dict[str, Tensor]:
        """What the sites hold where the left units of the machine have this state."""
        x, h2 = left.split([len(self.bias), len(self.top_bias)], -1)
        return {"h2": h2, "h1": bits(self.machine.right_logits(left)), "x": x}

    def mean_field(self, x: Tensor, sweeps: int) -> dict[str, Tensor]:
        """Logits of h1 and h2 after sweeps of coordinate ascent from h2 = 1/2.

        Args:
            x: rows, shape (rows, D).
            sweeps: updates of each layer.

        Returns:
            Site -> logits, shapes (rows, K1) and (rows, K2).
        """
        _, left_bias, middle_bias = self.machine
        top_bias, drive = left_bias[len(self.bias) :], x @ self.weight + middle_bias
        top = x.new_zeros(len(x), len(self.top_bias))
        middle = drive
        for _ in range(sweeps):
            middle = drive + torch.sigmoid(top) @ self.top_weight.mT
            top = top_bias + torch.sigmoid(middle) @ self.top_weight
        return {"h2": top, "h1": middle}

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), the smaller hidden layer summed over its states: (rows, D) -> (rows,).

        Raises:
            ValueError: both hidden layers, or both sides of the machine, have more than 20 units.
        """
        _, left_bias, middle_bias = self.machine
        bias, other = left_bias.split([len(self.bias), len(self.top_bias)])
        weight: Tensor = self.top_weight
        own: Tensor = x @ self.weight + middle_bias
        if weight.shape[0] > weight.shape[1]:
            weight, own, other = weight.mT, other.expand(len(x), -1), own
        total = x.new_full((len(x),), -torch.inf)
        for block in blocks(len(weight), 2):
            h = block.to(x)
            rest = softplus((h @ weight).unsqueeze(1) + other).sum(-1)
            total = torch.logaddexp(total, (h @ own.mT + rest).logsumexp(0))
        return x @ bias + total - exact_log_z(self.machine)


def _coins(bias: Tensor) -> dist.Independent:
    """Fair coins, one for each unit of the layer."""
    return dist.Bernoulli(logits=torch.zeros_like(bias), validate_args=False).to_event(1)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The centred model of these layers, which starts at the means of the training pixels."""
    assert parts.groups is not None
    means = data.train[0].mean(0)
    return DBM(data.features, parts.groups, means, centred=True)  # type: ignore[arg-type]
