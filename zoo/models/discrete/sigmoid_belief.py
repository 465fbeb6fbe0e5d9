"""Sigmoid belief network: layers of binary latents, each given the layer above it.

With one layer it is the usual benchmark of estimators for binary latents; with several, and a
recognition network as the guide, it is the Helmholtz machine. Hidden layers between two layers of
latents make it nonlinear.

Generative process, for each row n, from the top layer L down:
    zL_n ~ Bernoulli(sigmoid(b)), fair coins unless the prior is learned
    zl_n ~ Bernoulli(sigmoid(net_l(z(l+1)_n))), l = L-1 .. 1
    x_n  ~ Bernoulli(sigmoid(net_0(z1_n)))

Shapes: x (rows, D) and site zl (rows, K_l) of zeros and ones; net_l is affine, or has LeakyReLU
layers of the widths `hidden` inside.
Sources: Neal (1992), Connectionist learning of belief networks, Artificial Intelligence; Hinton,
Dayan, Frey and Neal (1995), The wake-sleep algorithm, Science; for the nonlinear one Dong, Mnih
and Tucker (2020), DisARM, NeurIPS.
Departs from the papers: the top units are fair coins unless `learned_prior` is set; theirs have
learned biases.

No log density checks that z is binary, so relaxed z in [0, 1] work.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_sums import bernoulli_log_likelihood, blocks
from zoo.models.shapes import require_shape
from zoo.nn import mlp


class SigmoidBeliefNet(nn.Module):
    """Layers of binary latents, from the top one down to the pixels.

    Raises:
        ValueError: for no layers, or one without units.
    """

    prior_logits: Tensor

    def __init__(
        self,
        features: int,
        layers: Sequence[int] = (200,),
        hidden: Sequence[int] = (),
        *,
        learned_prior: bool = False,
    ) -> None:
        """Builds the networks between layers; the top layer's units are fair coins.

        Args:
            features: number of pixels D.
            layers: number of units of each layer, the top one first.
            hidden: widths inside of each network, from the layer above to the one below.
            learned_prior: are the top units' logits parameters?
        """
        super().__init__()
        if not layers or min(layers) < 1:
            raise ValueError(
                f"Expected layers of at least one unit each; got {tuple(layers)}. Give the number "
                "of units of each layer, the top one first, for example (200, 200)."
            )
        self.features = features
        self.layers = tuple(layers)
        if learned_prior:
            self.prior_logits = nn.Parameter(torch.zeros(layers[0]))
        else:
            self.register_buffer("prior_logits", torch.zeros(layers[0]))
        self.networks = nn.ModuleList(
            mlp((above, *hidden, below), nn.LeakyReLU)
            for above, below in pairwise((*layers, features))
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The sites from the top down: zL, .., z1."""
        return tuple(f"z{level}" for level in range(len(self.layers), 0, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: sites zL .. z1, then the observed site x.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            logits = self.prior_logits
            for name, network in zip(self.names, self.networks, strict=True):
                z = pyro.sample(name, _units(logits))
                logits = network(z)
            return pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all joint states of all layers, 1024 at a time.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: there are more than 20 units in all.
        """
        total = x.new_full((len(x),), -torch.inf)
        for state in self._states(x):
            total = torch.logaddexp(total, self._log_joint(x, state).logsumexp(-1))
        return total

    def posterior_moments(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of every unit, by the same sum.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Site -> (mean, sd), each of shape (rows, K_l).

        Raises:
            ValueError: there are more than 20 units in all.
        """
        evidence = self.log_evidence(x)[:, None]
        mean = x.new_zeros(len(x), sum(self.layers))
        for state in self._states(x):
            mean = mean + (self._log_joint(x, state) - evidence).exp() @ torch.cat(state, -1)
        means = mean.clamp(0, 1).split(self.layers, -1)
        return {
            name: (part, (part * (1 - part)).sqrt())
            for name, part in zip(self.names, means, strict=True)
        }

    def _states(self, x: Tensor) -> Iterator[tuple[Tensor, ...]]:
        for block in blocks(sum(self.layers), 2):
            yield block.to(x).split(self.layers, -1)

    def _log_joint(self, x: Tensor, state: tuple[Tensor, ...]) -> Tensor:
        """Log p(x, z) of every row and state, (rows, states)."""
        log_prior = _units(self.prior_logits).log_prob(state[0])
        for network, above, below in zip(self.networks, state, state[1:], strict=False):
            log_prior = log_prior + _units(network(above)).log_prob(below)
        return log_prior + bernoulli_log_likelihood(x, self.networks[-1](state[-1]))


def _units(logits: Tensor) -> dist.Independent:
    return dist.Bernoulli(logits=logits, validate_args=False).to_event(1)
