"""RODEO: leave-one-out with control variates made by a discrete Stein operator.

The Gibbs operator A turns any function h of the D binary latents into one of mean 0 under q:

    (A h)(x) = 1/D sum_i q_i(1 - x_i) ( h(x with x_i flipped) - h(x) ).

Two such functions come from a network H of f and its first-order expansion at another draw:

    h_k(y) = 1/(K-1) sum_{j != k} H( f(x_j), grad f(x_j)^T (y - x_j) ),   h~_k the same.

With s(x) = x - mu the score, the gradient in the logits is

    1/K sum_k [ ( f(x_k) - 1/(K-1) sum_{j != k} ( f(x_j) + (A h_j)(x_j) ) ) s(x_k)
                + A(h~_k s)(x_k) ].

H is learned: it descends the squared gradient. It starts at 0, where this is leave-one-out.

Cost: K evaluations of f, K gradients of it in x, and D + 1 evaluations of H for each of the
K (K-1) pairs of draws.
Source: Shi, Zhou, Hwang, Titsias & Mackey 2022, "Gradient estimation with discrete Stein
operators".
Topic: Binary latents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.forms import BITS
from zoo.objectives.bernoulli_draws import BernoulliDraws, draw_with_slopes
from zoo.objectives.control_variates import self_tuned
from zoo.objectives.log_ratio import Values, row_sums, spread
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate_mean, others
from zoo.traces import Pair, add_up


class SurrogateNetwork(nn.Module):
    """H: two numbers of f(x_j) and of the line through it; each has a coefficient, at first 0."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, hidden), nn.Linear(hidden, 2)
        self.coefficients = nn.Parameter(torch.zeros(2))

    def forward(self, f: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
        """Returns h and h~, each of the shape of `line`; `f` broadcasts against it."""
        inputs = torch.stack((f.expand_as(line), line), -1)
        both = self.coefficients * self.last(leaky_relu(self.first(inputs), 0.3))
        h, h_tilde = both.unbind(-1)
        return h, h_tilde


@dataclass(frozen=True)
class RODEO(Objective):
    """The ELBO of Bernoulli latents from `particles` draws; H has `hidden` units.

    Raises:
        ValueError: for fewer than two particles, or no hidden unit.

    Example:
        The network of the control variates starts at 0, where this is leave-one-out, and learns:

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import RODEO
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> RODEO().state(zoo.describe(model)).coefficients.tolist()
        [0.0, 0.0]
        >>> fit = zoo.fit(model, guide, objective=RODEO(), steps=20)
        >>> bool(fit.program.state.coefficients.all())
        True
    """

    particles: int = 2
    hidden: int = 100

    def __post_init__(self) -> None:
        way = "Each draw is corrected by the others' gradients: for one draw use reinforce."
        keep_whole(self, "particles", least=2, way=way)
        keep_whole(self, "hidden", way="It is the width of the network. For no network use rloo.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(BITS)

    def evaluations(self, latents: Latents) -> int:
        """One a particle, and one gradient in x."""
        return 2 * self.particles

    def state(self, latents: Latents) -> SurrogateNetwork:
        """The network H."""
        return SurrogateNetwork(self.hidden)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        latents = pair.latents
        who = type(self).__name__
        logits, weights, draws = draw_with_slopes(pair, self.particles, args, kwargs, who)
        x, mu, f = draws.x, draws.mu, draws.f
        ah, ah_score = stein(state, draws, latents)
        signal = f - others(f + ah)
        gradient = {
            n: (spread(signal, latents, latents[n]) * (x[n] - mu[n]) + ah_score[n]).mean(0)
            for n in x
        }
        return estimate_mean(weights, self_tuned(gradient, logits))


def stein(network: nn.Module, draws: BernoulliDraws, latents: Latents) -> tuple[Tensor, Values]:
    """A h_k at x_k, shape (K, rows), and A(h~_k s) at x_k by site."""
    shifts = range(1, len(draws.f))
    pairs = [_stein_pair(network, draws, draws.shifted(by), latents) for by in shifts]
    ah = add_up(one for one, _ in pairs) / len(shifts)
    return ah, {n: add_up(one[n] for _, one in pairs) / len(shifts) for n in draws.x}


def _stein_pair(
    network: nn.Module, own: BernoulliDraws, other: BernoulliDraws, latents: Latents
) -> tuple[Tensor, Values]:
    """The same for one partner x_j of each x_k.

    A flip of x_i moves only s_i, so that coordinate d of A(h~ s) is (A h~) s_d and one term more:
    1/D q_d(1 - x_d) h~(x with x_d flipped) (1 - 2 x_d).
    """
    size = sum(x[0].numel() for x in own.x.values()) / own.f.shape[1]
    line = add_up(
        row_sums(other.grad_f[n] * (own.x[n] - other.x[n]), latents, latents[n]) for n in own.x
    )
    h, h_tilde = network(other.f, line)
    ah, ah_tilde, turn = [], [], {}
    for n, mu in own.mu.items():
        site, step = latents[n], 1 - 2 * own.x[n]
        chance = (mu + own.x[n] * (1 - 2 * mu)) / size  # q_i(1 - x_i) / D
        flipped = spread(line, latents, site) + other.grad_f[n] * step
        there, there_tilde = network(spread(other.f, latents, site), flipped)
        ah.append(row_sums(chance * (there - spread(h, latents, site)), latents, site))
        change = there_tilde - spread(h_tilde, latents, site)
        ah_tilde.append(row_sums(chance * change, latents, site))
        turn[n] = chance * there_tilde * step
    total = add_up(ah_tilde)
    score = {n: spread(total, latents, latents[n]) * (own.x[n] - own.mu[n]) for n in turn}
    return add_up(ah), {n: score[n] + turn[n] for n in turn}
