"""PIWAE: the model is trained by one tight bound, the guide by several looser ones.

    theta:  grad IWAE_{M K}      (all draws in one bound),
    phi:    grad MIWAE_{M, K}    (M bounds of K draws each),          from the same draws.

A tighter bound is better for the model; for the guide it lowers the signal-to-noise ratio of the
gradient. So each follows the bound that suits it. M = 1 is IWAE; K = 1 trains the guide by the
ELBO.

Cost: M K evaluations of f for each of the two, 2 M K in all. The source forms both gradients from
one evaluation of each draw, M K in all.
Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood & Teh 2018, "Tighter variational bounds are
not necessarily better".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.frozen import frozen
from zoo.objectives.miwae import in_groups
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_again import constant, score_again
from zoo.objectives.scored_draws import estimate
from zoo.objectives.target import PowerMean, Target
from zoo.traces import Pair, log_mean_exp, weigh


@dataclass(frozen=True)
class PIWAE(Objective):
    """The model by one bound of `M` * `K` draws, the guide by `M` bounds of `K` draws.

    Raises:
        ValueError: if M or K is below 1.

    Example:
        Its value is the bound that the model follows, that of all 8 draws:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import IWAE, PIWAE
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> abs(bound(PIWAE(M=2, K=4)) - bound(IWAE(8))) < 1e-3
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
        """One bound for the model, another for the guide."""
        return Target(PowerMean(self.M * self.K), PowerMean(self.K))

    def evaluations(self, latents: Latents) -> int:
        """2 M K."""
        return 2 * self.M * self.K

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound of all draws, nats, shape ()."""
        draws, rowwise = self.M * self.K, pair.latents.rowwise
        runs = replace(pair, model=frozen(pair.model)).draw(draws, args, kwargs)
        phi = weigh(runs, pair.latents, rowwise=rowwise)
        still = replace(pair, guide=frozen(pair.guide))
        runs = score_again(still, runs, draws, args, kwargs, constant)
        theta = weigh(runs, pair.latents, rowwise=rowwise)
        iwae = log_mean_exp(theta.log_w)
        miwae = log_mean_exp(in_groups(phi.log_w, self.M), dim=1)
        score = miwae.detach() * in_groups(phi.log_q_constant, self.M).sum(1)
        return estimate(theta, iwae.sum(), (iwae + (miwae + score).mean(0)).sum())
