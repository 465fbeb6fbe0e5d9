"""Reweighted wake-sleep: model and guide both learn from importance-weighted draws.

For K draws z_k ~ q(z | x), w_k = p(x, z_k) / q(z_k | x) and v_k = w_k / sum_j w_j,

    wake-theta:  sum_k v_k grad log p(x, z_k),
    wake-phi:    sum_k v_k grad log q(z_k | x),
    sleep-phi:   grad log q(z | x) for simulated (x, z) ~ p,

and phi follows (1 - sleep) wake-phi + sleep sleep-phi. In theta this is the gradient of the
importance-weighted bound of K draws, without bias. In phi there is no bound behind it: wake-phi
descends KL( p(z | x) || q(z | x) ) for the data's x, with a bias of order 1/K, and sleep-phi for
the x of simulated pairs, with none.

Cost: K evaluations of f = log p(x, z) - log q(z); a simulated pair is about one more.
Source: Bornschein & Bengio 2015, "Reweighted wake-sleep"; Le, Kosiorek, Siddharth, Teh & Wood
2019, "Revisiting reweighted wake-sleep".
Topic: Wake-sleep and inclusive divergence.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.latents import Latents
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.sleep_phase import log_q_of_simulated
from zoo.objectives.target import Inclusive, PowerMean, Target
from zoo.traces import Pair, log_mean_exp, with_gradient


@dataclass(frozen=True)
class ReweightedWakeSleep(Objective):
    """K = `particles` weighted draws and one simulated pair a row; its value is the K-draw bound.

    `sleep` is the share of the sleep phase in phi's update: 0 for wake-phi alone.

    Raises:
        ValueError: for fewer than one particle, or a share outside [0, 1].

    Example:
        Without the sleep phase it is the inclusive divergence:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import ForwardKL, ReweightedWakeSleep
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def weights(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return fit.guide.encoder.heads[0].weight
        >>> torch.equal(weights(ReweightedWakeSleep(5, sleep=0.0)), weights(ForwardKL(5)))
        True
    """

    particles: int = 5
    sleep: float = 0.5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")
        keep_number(self, "sleep", least=0.0, most=1.0, way="It is a share of the loss.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, simulates_data=self.sleep > 0, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound of K weights, and the divergence as K grows; simulated data have no bound."""
        return Target(PowerMean(self.particles), None if self.sleep else Inclusive())

    def evaluations(self, latents: Latents) -> int:
        """One a particle, and one for the simulated pair if there is one."""
        return self.particles + (1 if self.sleep else 0)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative importance-weighted bound, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        v = weights.log_w.softmax(0).detach()
        wake = v * (weights.log_p + (1 - self.sleep) * weights.log_q_constant)
        loss = estimate(weights, log_mean_exp(weights.log_w).sum(), wake.sum())
        if not self.sleep:
            return loss
        simulated = log_q_of_simulated(pair, 1, args, kwargs)
        return loss + with_gradient(simulated.new_zeros(()), -self.sleep * simulated)
