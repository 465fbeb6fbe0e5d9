"""MIWAE: the mean of M importance-weighted bounds, each from K draws.

    MIWAE_{M,K} = 1/M sum_m log( 1/K sum_k w_{m,k} ),   w = p(x, z) / q(z).

K sets how tight the bound is. The signal-to-noise ratio of the guide's gradient falls with K, as
sqrt(M / K), so that some draws are better spent on M. M = 1 is IWAE, K = 1 the ELBO.
Draws that are not reparameterised add, group by group, the bound times the sum of grad log q.

Cost: M K evaluations of f.
Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood & Teh 2018, "Tighter variational bounds are
not necessarily better". Not the MIWAE of Mattei & Frellsen 2019, which is about missing data.
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import Pair, log_mean_exp


@dataclass(frozen=True)
class MIWAE(Objective):
    """The mean of `M` importance-weighted bounds of `K` draws each.

    Raises:
        ValueError: if M or K is below 1.

    Example:
        On the same 6 draws it lies between the ELBO and the importance-weighted bound:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import IWAE, MIWAE, Trace
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> bounds = [bound(Trace(6)), bound(MIWAE(M=3, K=2)), bound(IWAE(6))]
        >>> bounds == sorted(bounds)
        True
    """

    M: int = 2
    K: int = 4

    def __post_init__(self) -> None:
        keep_whole(self, "M", "K", way="M bounds of K draws each take M K draws in all.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.K))

    def evaluations(self, latents: Latents) -> int:
        """M K."""
        return self.M * self.K

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        weights = draw(pair, self.M * self.K, args, kwargs, fixed=False)
        bound = log_mean_exp(in_groups(weights.log_w, self.M), dim=1)
        score = bound.detach() * in_groups(weights.log_q_constant, self.M).sum(1)
        return estimate(weights, bound.mean(0).sum(), (bound + score).mean(0).sum())


def in_groups(value: Tensor, groups: int) -> Tensor:
    """Cuts the draws into groups: (M K, rows) -> (M, K, rows)."""
    return value.reshape(groups, -1, *value.shape[1:])
