"""DReG: the doubly reparameterised gradient of the importance-weighted bound.

With w_k = p(x, z_k) / q(z_k) and v_k = w_k / sum_j w_j, z_k = g(noise_k; phi):

    theta:  sum_k v_k   grad log p(x, z_k),
    phi:    sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi),       q's parameters held constant.

The score grad log q(z_k) of the plain gradient is reparameterised a second time; what it leaves
is the square. With a weight b of the KL term the score counts b times, and v_k (1 - b + b v_k)
stands in the place of the square. Latents in layers are one function of the noise together, so
that the formula holds for them as it stands. The signal-to-noise ratio of phi then grows with K
instead of falling, provided that the weights have a variance: q is to cover the posterior. K = 1
is sticking the landing. For the prior's parameters see `gdreg`.

Cost: K evaluations of f, and q is scored twice; where q is a flow, the second time inverts it.
Source: Tucker, Lawson, Gu & Maddison 2019, "Doubly reparameterized gradient estimators for Monte
Carlo objectives".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_again import draw_path
from zoo.objectives.scored_draws import estimate
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import Pair, log_mean_exp


@dataclass(frozen=True)
class DoublyReparameterised(Objective):
    """The importance-weighted bound of K = `particles` with the doubly reparameterised gradient.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        The guide N(1, 1) of the posterior N(0, 1). With one draw it is sticking the landing, which
        has no noise here: a step at rate 0.5 goes half of the way to 0.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import DoublyReparameterised, StickingTheLanding
        >>> def model():
        ...     pyro.sample("z", dist.Normal(0.0, 1.0))
        >>> def guide():
        ...     pyro.sample("z", dist.Normal(pyro.param("loc", torch.tensor(1.0)), 1.0))
        >>> def step(objective):
        ...     fit = zoo.fit(model, guide, objective=objective, steps=1, optimizer="sgd", lr=0.5)
        ...     return fit.program.store.values[0].item()
        >>> step(DoublyReparameterised(1)), step(StickingTheLanding(1))
        (0.5, 0.5)
    """

    particles: int = 5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, row_weights=True, nonlinear=True, density=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.particles))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        weights = draw_path(
            *(pair, self.particles, args, kwargs), lambda log_w: log_w.softmax(0), second_share
        )
        v = weights.log_w.detach().softmax(0)
        surrogate = (v * weights.log_w).sum(0)  # on its way through z_k it meets the second v_k
        return estimate(weights, log_mean_exp(weights.log_w).sum(), surrogate.sum())


def second_share(v: Tensor, weight: Tensor) -> Tensor:
    """What a draw's share of the gradient is multiplied by, 1 - b + b v."""
    return 1 - weight + weight * v
