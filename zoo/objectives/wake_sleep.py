"""Wake-sleep: the model and the guide are each trained on draws of the other.

    wake:   x from the data, z ~ q(z | x):     theta follows  grad log p(x, z),
    sleep:  (x, z) ~ p, simulated:               phi follows    grad log q(z | x).

The wake phase ascends the ELBO in theta. The sleep phase descends KL( p(z | x) || q(z | x) ) in
phi, the other way round, averaged over x ~ p where the ELBO has the data: no gradient of any one
bound. It needs no score function and no reparameterisation, so its variance is low; phi learns
little about the data as long as what is simulated does not look like them.

Cost: `particles` evaluations of f = log p(x, z) - log q(z), and as many simulated
pairs, each about one.
Source: Hinton, Dayan, Frey & Neal 1995, "The wake-sleep algorithm for unsupervised neural
networks".
Topic: Wake-sleep and inclusive divergence.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.sleep_phase import log_q_of_simulated
from zoo.objectives.target import Elbo, Target
from zoo.traces import Pair, with_gradient


@dataclass(frozen=True)
class WakeSleep(Objective):
    """Both phases, from `particles` draws and as many simulated pairs; its value is the ELBO.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        The guide learns from simulated data alone: with other data it takes the same step.

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import WakeSleep
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> settings = {"objective": WakeSleep(), "steps": 1}
        >>> one = zoo.fit(model, guides.AmortisedNormal, x, **settings)
        >>> two = zoo.fit(model, guides.AmortisedNormal, x + 10.0, **settings)
        >>> torch.equal(one.guide.encoder.heads[0].weight, two.guide.encoder.heads[0].weight)
        True
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, simulates_data=True)

    @property
    def target(self) -> Target:
        """The ELBO for the model; no bound for the guide."""
        return Target(Elbo(), None)

    def evaluations(self, latents: Latents) -> int:
        """One a particle and one a simulated pair."""
        return 2 * self.particles

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        wake = estimate(weights, weights.log_w.mean(0).sum(), weights.log_p.mean(0).sum())
        sleep = log_q_of_simulated(pair, self.particles, args, kwargs)
        return wake + with_gradient(sleep.new_zeros(()), -sleep)
