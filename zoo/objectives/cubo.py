"""The chi upper bound (CUBO): the guide minimises the chi-divergence from the posterior.

    CUBO_n = 1/n log E_q[ w^n ]  >=  log p(x) = log E_q[ w ],   w = p(x, z) / q(z),   n > 1.

For n = 2 it is log p(x) + 1/2 log(1 + chi^2(p || q)). With the ELBO it holds log p(x) from both
sides. A q that is small where the posterior is not has w^n without limit, so that q covers the
posterior. From K draws, which are constants for the gradient,

    value  1/n log( 1/K sum_k w_k^n ),     grad_phi  - (n - 1)/n sum_k u_k grad log q(z_k),

with u_k = w_k^n / sum_j w_j^n: the gradient of exp(n CUBO), (1 - n) E_q[ w^n grad log q ], over an
estimate of n exp(n CUBO). The powers are formed as a softmax, so that none overflows. Theta
follows the importance-weighted bound of the same draws, since a model that minimised an upper
bound would make its data improbable.

The loss is the bound itself and falls. Its value from K draws is too low on average, by the
logarithm of a mean, and is an upper bound only as K grows; the gradient has a bias of order 1/K.

Cost: K evaluations of f = log p(x, z) - log q(z).
Source: Dieng, Tran, Ranganath, Paisley & Blei 2017, "Variational inference via chi upper bound
minimization".
Departs from the paper: weights over their sum in place of over their largest, a positive factor
for each row, which puts the gradient in nats.
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw
from zoo.objectives.target import ChiUpper, PowerMean, Target
from zoo.objectives.upper import above
from zoo.traces import Pair, Weights, log_mean_exp


@dataclass(frozen=True)
class CUBO(Objective):
    """The chi upper bound of order `n` from K = `particles` draws.

    Raises:
        ValueError: for an order of 1 or less, or fewer than two particles.

    Example:
        A posterior with two modes, at -3 and 3: the guide covers both, where the ELBO's chooses
        one.

        >>> import guides, pyro, torch, zoo
        >>> import pyro.distributions as dist
        >>> from zoo.objectives import CUBO, Trace
        >>> modes = dist.Normal(torch.tensor([-3.0, 3.0]), 1.0)
        >>> def model():
        ...     pyro.sample("z", dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), modes))
        >>> def spread(objective):
        ...     fit = zoo.fit(model, guides.MeanField, objective=objective, steps=300, lr=0.05)
        ...     return torch.stack([fit.guide()["z"] for _ in range(200)]).std()
        >>> bool(spread(Trace(10)) < 2 < spread(CUBO(10)))
        True
    """

    particles: int = 10
    n: float = 2.0

    def __post_init__(self) -> None:
        way = "One draw alone has weight 1, and the mean of grad log q is then 0."
        keep_whole(self, "particles", least=2, way=way)
        keep_number(self, "n", above=1.0, way="At 1 it is log p(x), whatever the guide.")

    @property
    def value_is_bound(self) -> bool:
        """No: the loss is an upper bound of log p(x), which falls."""
        return False

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound of K weights for the model; CUBO, as K grows, for the guide."""
        return Target(PowerMean(self.particles), ChiUpper(self.n))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The upper bound, nats, shape ()."""
        return self.of_weights(draw(pair, self.particles, args, kwargs, fixed=True))

    def of_weights(self, weights: Weights) -> Tensor:
        """The loss of draws that are constants, shape ()."""
        power = self.n * weights.log_w.detach()
        of_guide = -(self.n - 1) / self.n * (power.softmax(0) * weights.log_q_constant).sum()
        return above(weights, log_mean_exp(power).sum() / self.n, of_guide)
