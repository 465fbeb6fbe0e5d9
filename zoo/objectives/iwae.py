"""The importance-weighted bound of K draws (IWAE); it tightens as K grows.

    L_K = E [ log( 1/K sum_k p(x, z_k) / q(z_k) ) ]  <=  L_{K+1}  <=  log p(x).

Cost: K evaluations of log p(x, z).
Source: Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.renyi import Renyi
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import Pair


@dataclass(frozen=True)
class IWAE(Objective):
    """The importance-weighted bound with K = `particles`.

    Example:
        On the same draws it is never below the ELBO:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import IWAE, Trace
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> bound(Trace(5)) <= bound(IWAE(5))
        True
    """

    particles: int = 5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.particles))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        return Renyi(self.particles, alpha=0.0).loss(pair, state, args, kwargs)
