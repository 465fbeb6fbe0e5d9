"""VR-max: only the draw with the largest importance weight counts.

    L_max = E [ max_k log w_k ],   w_k = p(x, z_k) / q(z_k);      gradient  grad log w_k*,

k* the draw of largest weight, for each row. It lies above Renyi's bound of K draws for every
alpha, and can lie above log p(x). Draws that are not reparameterised add max_k log w_k *
sum_k grad log q(z_k), as in Renyi's bound.

Cost: K evaluations of f.
Source: Li & Turner 2016, "Renyi divergence variational inference", section 4 (VR-max).
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.target import Largest, Target, both
from zoo.traces import Pair


@dataclass(frozen=True)
class VRMax(Objective):
    """The largest log-weight of K = `particles`.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        On the same draws it is never below the importance-weighted bound:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import IWAE, VRMax
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> bound(IWAE(5)) <= bound(VRMax(5))
        True
    """

    particles: int = 5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def value_is_bound(self) -> bool:
        """No: the largest of several weights may lie above log p(x)."""
        return False

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(Largest(self.particles))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Minus the largest log-weight, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=False)
        largest = weights.log_w.max(0).values
        surrogate = largest + largest.detach() * weights.log_q_constant.sum(0)
        return estimate(weights, largest.sum(), surrogate.sum())
