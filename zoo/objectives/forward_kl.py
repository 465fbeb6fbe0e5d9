"""The inclusive divergence KL(p || q), estimated by importance-weighted draws.

    - grad KL = E_{p(z | x)} grad log q(z | x)  ~  sum_k v_k grad log q(z_k | x),

with z_k ~ q(z | x), w_k = p(x, z_k) / q(z_k | x) and self-normalised v_k = w_k / sum_j w_j.
Theta follows the importance-weighted bound of the same K draws, whose gradient is
sum_k v_k grad log p(x, z_k), without bias; phi's has a bias of order 1/K. The divergence
grows without limit where q is small and the posterior is not, so that q covers all modes of the
posterior, where the ELBO may choose one.

It is reweighted wake-sleep without the sleep.

Cost: K evaluations of f = log p(x, z) - log q(z).
Source: Minka 2005, "Divergence measures and message passing"; Gu, Ghahramani & Turner 2015,
"Neural adaptive sequential Monte Carlo".
Topic: Wake-sleep and inclusive divergence.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.target import Inclusive, PowerMean, Target
from zoo.traces import Pair, log_mean_exp


@dataclass(frozen=True)
class ForwardKL(Objective):
    """The inclusive divergence by K = `particles` weighted draws; its value is the K-sample bound.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        A posterior with two modes, at -3 and 3: the guide covers both, where the ELBO's chooses
        one.

        >>> import guides, pyro, torch, zoo
        >>> import pyro.distributions as dist
        >>> from zoo.objectives import ForwardKL, Trace
        >>> modes = dist.Normal(torch.tensor([-3.0, 3.0]), 1.0)
        >>> def model():
        ...     pyro.sample("z", dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), modes))
        >>> def spread(objective):
        ...     fit = zoo.fit(model, guides.MeanField, objective=objective, steps=300, lr=0.05)
        ...     return torch.stack([fit.guide()["z"] for _ in range(200)]).std()
        >>> bool(spread(Trace(10)) < 2 < spread(ForwardKL(10)))
        True
    """

    particles: int = 10

    def __post_init__(self) -> None:
        way = "One draw alone has weight 1, and the mean of grad log q is then 0."
        keep_whole(self, "particles", least=2, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound of K weights for the model; the divergence, as K grows, for the guide."""
        return Target(PowerMean(self.particles), Inclusive())

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative importance-weighted bound, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        v = weights.log_w.softmax(0).detach()
        surrogate = v * (weights.log_p + weights.log_q_constant)
        return estimate(weights, log_mean_exp(weights.log_w).sum(), surrogate.sum())
