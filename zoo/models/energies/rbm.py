"""Restricted Boltzmann machine: pixels and hidden units, both binary, with weights between them.

An energy takes the place of a generative process: there is no order in which x and h could be
drawn. Given one side the other is independent, so that h is summed out in closed form and Gibbs
chains alternate between the sides; the sum Z over all states has no closed form.

Joint distribution, for each row n:
    p(x_n, h_n) = exp( b x_n + c h_n + x_n W h_n ) / Z
    p(x_n)      = exp( -F(x_n) ) / Z,    F(x) = -b x - sum_j log( 1 + exp( (c + x W)_j ) )

Shapes: x (rows, D) of zeros and ones; W (D, K), b (D,), c (K,). h is summed out, not latent.
Sources: Smolensky (1986), Information processing in dynamical systems; Hinton (2002), Training
products of experts by minimizing contrastive divergence, Neural Computation 14.
Departs from the papers: it is trained by Adam, and the weights join x less its means with h - 1/2,
another way to write the same energies whose gradients do less of the biases' work: Montavon and
Müller (2012), Deep Boltzmann machines and the centering trick.

What is observed at the site x scores -F(x) and leaves log Z out, which depends on the parameters.
Objectives for energies (cd, pcd) estimate its gradient; scoring subtracts log Z, which is summed
over all states where one side has at most 20 units, and else estimated by annealed importance
sampling with an error that all rows share. Draws are states of Gibbs chains.

Known exactly: log p(x) of each row, up to 20 units on the smaller side.
"""

import pyro
import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.energies import Bipartite, Boltzmann, exact_log_z
from zoo.models.parts import Parts
from zoo.models.shapes import require_shape

SMALL_WEIGHT = 0.01  # standard deviation of the first weights
LEAST_MEAN = 0.001  # of a pixel, for its first bias
HALF = 0.5  # the mean of a hidden unit without bias


class RBM(nn.Module):
    """Binary rows with an energy; the hidden units are summed out."""

    centre: Tensor | None

    def __init__(
        self,
        features: int,
        hidden: int = 64,
        means: Tensor | None = None,
        *,
        centred: bool = False,
    ) -> None:
        """Starts with small random weights.

        Args:
            features: number of pixels D.
            hidden: number of hidden units K.
            means: of the pixels, whose logits are the first biases, (D,); None for biases of 0.
            centred: the weights join x - means and h - 1/2, so that `bias` and `hidden_bias` are
                those of deviations; the models that can be reached are the same.

        Raises:
            ValueError: it is to be centred, and has no means.
        """
        super().__init__()
        self.weight = nn.Parameter(SMALL_WEIGHT * torch.randn(features, hidden))
        self.bias = nn.Parameter(torch.zeros(features) if means is None else first_bias(means))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.register_buffer("centre", centre(means) if centred else None)

    def forward(self, x: Tensor) -> Tensor:
        """Observes rows at the site x, whose score leaves out log Z.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), len(self.bias)))
        with pyro.plate("data", len(x)):
            return pyro.sample("x", Boltzmann(self.machine), obs=x)

    @property
    def machine(self) -> Bipartite:
        """Pixels on the left, hidden units on the right."""
        own = Bipartite(self.weight, self.bias, self.hidden_bias)
        return own if self.centre is None else own.centred(self.centre, HALF)

    def sites_of(self, left: Tensor) -> dict[str, Tensor]:
        """What the sites hold where the left units of the machine have this state."""
        return {"x": left}

    def hidden_means(self, x: Tensor) -> Tensor:
        """E[h | x], exactly: (..., D) -> (..., K)."""
        return torch.sigmoid(self.machine.right_logits(x))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x): (rows, D) -> (rows,), nats.

        Raises:
            ValueError: pixels and hidden units are both more than 20.
        """
        return -self.machine.free_energy(x) - exact_log_z(self.machine)


def first_bias(means: Tensor) -> Tensor:
    """Biases under which independent pixels have these means, none of them below 0.001."""
    return means.clamp(LEAST_MEAN, 1 - LEAST_MEAN).logit().to(torch.get_default_dtype())


def centre(means: Tensor | None) -> Tensor:
    """What the weights of a centred machine take off the pixels: their means.

    Raises:
        ValueError: there are none.
    """
    if means is None:
        raise ValueError(
            "Expected means of the pixels for centred=True, to take off them; got means=None. "
            "Pass means=x.mean(0), or centred=False."
        )
    return means.to(torch.get_default_dtype())


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The centred model of so many hidden units, which starts at the means of training pixels."""
    assert parts.latent is not None
    return RBM(data.features, parts.latent, data.train[0].mean(0), centred=True)
