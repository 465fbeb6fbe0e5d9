"""CIWAE: a compromise between the ELBO and the importance-weighted bound.

    CIWAE_beta = beta * 1/K sum_k log w_k + (1 - beta) * log( 1/K sum_k w_k ),

w_k = p(x, z_k) / q(z_k). The ELBO's gradient keeps its signal as K grows, the importance-weighted
bound is tighter. For draws that are not reparameterised each of the two adds its score term:
1/K sum_k log w_k grad log q(z_k), and the bound times sum_k grad log q(z_k).

Cost: K evaluations of f.
Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood & Teh 2018, "Tighter variational bounds are
not necessarily better".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.target import Compromise, Target, both
from zoo.traces import Pair, log_mean_exp


@dataclass(frozen=True)
class CIWAE(Objective):
    """`beta` times the ELBO and the rest times the bound of K = `particles`.

    Raises:
        ValueError: for fewer than one particle, or beta outside of [0, 1].

    Example:
        On the same draws, beta = 0.5 is half way between the ELBO and the importance-weighted
        bound:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import CIWAE, IWAE, Trace
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> halfway = (bound(Trace(5)) + bound(IWAE(5))) / 2
        >>> abs(bound(CIWAE(5, beta=0.5)) - halfway) < 1e-3
        True
    """

    particles: int = 5
    beta: float = 0.5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")
        way = "1 is the ELBO, 0 the importance-weighted bound."
        keep_number(self, "beta", least=0.0, most=1.0, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(Compromise(self.particles, self.beta))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=False)
        log_w, score = weights.log_w, weights.log_q_constant
        elbo, iwae = log_w.mean(0), log_mean_exp(log_w)
        of_elbo = elbo + (log_w.detach() * score).mean(0)
        of_iwae = iwae + iwae.detach() * score.sum(0)
        bound = self.beta * elbo + (1 - self.beta) * iwae
        surrogate = self.beta * of_elbo + (1 - self.beta) * of_iwae
        return estimate(weights, bound.sum(), surrogate.sum())
