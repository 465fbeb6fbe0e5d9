"""The upper thermodynamic bound: the right Riemann sum of the integral whose left sum is `tvo`.

On the path pi_b ~ q^(1-b) p^b = q w^b from q to the posterior, log p(x) is the integral over
b in [0, 1] of E_{pi_b}[ log w ], w = p(x, z) / q(z). The integrand never falls, so its right
Riemann sum over 0 = b_0 < b_1 < ... < b_P = 1 is an upper bound:

    TVO_U = sum_p (b_{p+1} - b_p) E_{pi_{b_{p+1}}}[ log w ],

of which one strip is E_{p(z | x)}[ log w ] = log p(x) + KL(p || q). The means are those of `tvo`,
from K self-normalised draws that are constants, and so is the gradient in phi, which brings the
bound down. Theta follows the importance-weighted bound of the same draws, since a model that
minimised an upper bound would make its data improbable.

The loss is the bound itself and falls. The means are too low from few draws: it is an upper bound
only as K grows, and value and gradient have a bias of order 1/K.

Cost: K evaluations of f = log p(x, z) - log q(z), for any P.
Source: Masrani, Le & Wood 2019, "The thermodynamic variational objective", section 3.
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw
from zoo.objectives.target import PathAbove, PowerMean, Target
from zoo.objectives.tvo import Thermodynamic, keep_strips, riemann_sum
from zoo.objectives.upper import above
from zoo.traces import Pair, Weights


@dataclass(frozen=True)
class ThermodynamicUpper(Objective):
    """The upper thermodynamic bound from K = `particles`, in P = `partitions` strips.

    Raises:
        ValueError: for fewer than two particles or one partition, or beta_1 outside of (0, 1).

    Example:
        It lies above the lower bound on the same draws:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import Thermodynamic, ThermodynamicUpper
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def loss(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return fit.losses.item()
        >>> -loss(Thermodynamic(5)) < loss(ThermodynamicUpper(5))
        True
    """

    particles: int = 10
    partitions: int = 5
    beta_1: float = 0.1

    def __post_init__(self) -> None:
        keep_strips(self)

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
        """The bound of K weights for the model; this one, as K grows, for the guide."""
        return Target(PowerMean(self.particles), PathAbove(tuple(self.betas())))

    def betas(self) -> list[float]:
        """b_0 = 0, b_1, ..., b_P = 1, as in `tvo`."""
        return Thermodynamic(self.particles, self.partitions, self.beta_1).betas()

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The upper bound, nats, shape ()."""
        return self.of_weights(draw(pair, self.particles, args, kwargs, fixed=True))

    def of_weights(self, weights: Weights) -> Tensor:
        """The loss of draws that are constants, shape ()."""
        betas, still = self.betas(), weights._replace(log_p=weights.log_p.detach())
        return above(weights, *riemann_sum(still, betas, betas[1:]))
