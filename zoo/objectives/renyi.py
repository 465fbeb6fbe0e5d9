"""Renyi's bound of order alpha; alpha = 0 gives the importance-weighted bound (IWAE).

    L_alpha = 1 / (1 - alpha) * log( 1/K sum_k w_k^(1 - alpha) ),   w_k = p(x, z_k) / q(z_k).

It lies below log p(x) for alpha >= 0. One draw gives the ELBO, as alpha -> 1 does for every K;
with K the bound grows for alpha < 1 and falls for alpha > 1. The weights are formed for each
independent row, and each row's bound is then counted N / batch times, so that it stays a bound
under subsampled plates. Gradient for any alpha, with reparameterised draws or not:

    grad L = sum_k v_k grad log w_k + L sum_k grad log q(z_k),

with v_k = w_k^(1-alpha) / sum_j w_j^(1-alpha); the second sum is over draws that are not
reparameterised.

Cost: K evaluations of log p(x, z).
Source: Li & Turner 2016, "Renyi divergence variational inference"; Burda, Grosse & Salakhutdinov
2016, "Importance weighted autoencoders".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import Pair, log_mean_exp, weigh, with_gradient


@dataclass(frozen=True)
class Renyi(Objective):
    """Renyi's bound of order `alpha` with K = `particles`.

    Raises:
        ValueError: for alpha = 1, which is the ELBO, or fewer than one particle.

    Example:
        On the same draws the bound falls with alpha; the ELBO is its limit at alpha = 1:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import Renyi, Trace
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> bounds = [bound(Renyi(5, alpha=2.0)), bound(Trace(5)), bound(Renyi(5, alpha=0.5))]
        >>> bounds == sorted(bounds)
        True
    """

    particles: int = 5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        keep_number(self, "alpha")
        if self.alpha == 1:
            raise ValueError("Expected alpha other than 1; got 1. Use Trace: it is the ELBO.")
        keep_whole(self, "particles")

    @property
    def value_is_bound(self) -> bool:
        """For alpha >= 0; below, it is an upper bound as K grows."""
        return self.alpha >= 0

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.particles, self.alpha))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        runs = pair.draw(self.particles, args, kwargs)
        weights = weigh(runs, pair.latents, rowwise=pair.latents.rowwise)
        bound = log_mean_exp((1 - self.alpha) * weights.log_w) / (1 - self.alpha)
        total = weights.scale * bound.sum() + weights.outside
        score = weights.scale * (bound.detach() * weights.log_q_constant.sum(0)).sum()
        return with_gradient(-total, -(total + score))
