"""Double control variates: leave-one-out, corrected twice by the gradient of f.

With x_1, ..., x_K from q, mu its mean, and the linear control variate of each draw

    b_k(x) = ( 1/(K-1) sum_{j != k} grad f(x_j) )^T (x - mu),

which has mean 0, the gradient in the logits is

    1/K sum_k ( f(x_k) + a b_k(x_k) - 1/(K-1) sum_{j != k} ( f(x_j) + a b_j(x_j) ) ) (x_k - mu)
      - a/K sum_k grad f(x_k) * mu (1 - mu).

The last term is the mean of what b_k adds to the first. The coefficient a is learned: it
descends the squared gradient. At a = 0 this is leave-one-out; if f is linear, a = -1 leaves no
variance. f must be defined between 0 and 1; where the model rounds z, its part of grad f is 0.

Cost: K evaluations of f, and K gradients of it in x.
Source: Titsias & Shi 2022, "Double control variates for gradient estimation in discrete latent
variable models".
Topic: Binary latents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.forms import BITS
from zoo.objectives.bernoulli_draws import draw_with_slopes
from zoo.objectives.control_variates import self_tuned
from zoo.objectives.log_ratio import row_sums, spread
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate_mean, others
from zoo.traces import Pair, add_up


class Coefficient(nn.Module):
    """The learned number a."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        """The number itself, shape ()."""
        return self.a


@dataclass(frozen=True)
class DoubleControlVariates(Objective):
    """The ELBO of Bernoulli latents from `particles` draws and f's gradients there.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        A switch that is worth 3 nats. As f is linear, a = -1 leaves no variance; the coefficient a
        moves from 0 towards it.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import DoubleControlVariates
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> fit = zoo.fit(model, guide, objective=DoubleControlVariates(), steps=100, lr=0.02)
        >>> bool(-1.0 < fit.program.state.a < -0.3)
        True
    """

    particles: int = 2

    def __post_init__(self) -> None:
        way = "Each draw is corrected by the others' gradients: for one draw use reinforce."
        keep_whole(self, "particles", least=2, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(BITS)

    def evaluations(self, latents: Latents) -> int:
        """One a particle, and one gradient in x."""
        return 2 * self.particles

    def state(self, latents: Latents) -> Coefficient:
        """The coefficient a."""
        return Coefficient()

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        latents, a = pair.latents, state()
        who = type(self).__name__
        logits, weights, draws = draw_with_slopes(pair, self.particles, args, kwargs, who)
        x, mu, f, grad_f = draws.x, draws.mu, draws.f, draws.grad_f
        b = add_up(row_sums(others(grad_f[n]) * (x[n] - mu[n]), latents, latents[n]) for n in x)
        signal = f + a * b - others(f + a * b)
        gradient = {}
        for n in x:
            gradient[n] = (spread(signal, latents, latents[n]) * (x[n] - mu[n])).mean(0)
            gradient[n] = gradient[n] - a * grad_f[n].mean(0) * mu[n] * (1 - mu[n])
        return estimate_mean(weights, self_tuned(gradient, logits))
