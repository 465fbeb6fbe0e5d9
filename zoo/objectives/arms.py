"""ARMS: leave-one-out over K mutually antithetic draws, for Bernoulli latents.

With rho_i the correlation of two draws of coordinate i, the gradient in each logit l_i is

    1/K sum_k ( f(b_k) - 1/(K-1) sum_{j != k} f(b_j) ) (b_ki - p_i) / (1 - rho_i).

The draws share a Dirichlet copula: (d_1, ..., d_K) is uniform on the simplex, so that each
u_k = (1 - d_k)^{K-1} is uniform on [0, 1] and

    C(m) = P(u_j < m, u_k < m) = max(0, 2 m^{1/(K-1)} - 1)^{K-1}.

The rarer value, of probability m = sigmoid(-|l|), is taken where u_k < m. Hence
1 - rho = (m - C(m)) / (m (1 - m)). At K = 2, C = 0 and the estimator is DisARM.

Cost: K evaluations of f.
Source: Dimitriev & Zhou 2021, "ARMS: antithetic-REINFORCE-multi-sample gradient for binary
variables".
Topic: Binary latents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents.forms import BITS
from zoo.objectives.bernoulli_draws import wide_logits
from zoo.objectives.log_ratio import at, spread, unstacked
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate_mean, others
from zoo.traces import Pair, add_up


@dataclass(frozen=True)
class ARMS(Objective):
    """The ELBO of Bernoulli latents from `particles` antithetic draws.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        A switch that is worth 3 nats, at p = 1/2. Two draws are DisARM, and here exact.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import ARMS
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> def step(objective, seed):
        ...     fit = zoo.fit(
        ...         model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0, seed=seed
        ...     )
        ...     return round(fit.program.store.values[0].item(), 4)
        >>> sorted({step(ARMS(2), seed) for seed in range(4)})
        [0.75]
    """

    particles: int = 4

    def __post_init__(self) -> None:
        way = "Each draw's baseline is the mean of the others: for one draw use reinforce."
        keep_whole(self, "particles", least=2, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(BITS)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        latents = pair.latents
        logits = wide_logits(pair, args, kwargs, type(self).__name__)
        b = {name: antithetic(logit.detach(), self.particles) for name, logit in logits.items()}
        weights = at(pair, unstacked(b), args, kwargs)
        f = weights.log_w.detach()
        terms = []
        for name, logit in logits.items():
            signal = spread(f - others(f), latents, latents[name])
            score = (b[name] - logit.detach().sigmoid()) * debias(logit.detach(), self.particles)
            terms.append(((signal * score).mean(0) * logit).sum())
        return estimate_mean(weights, add_up(terms))


def antithetic(logit: Tensor, particles: int) -> Tensor:
    """Bernoulli draws through the Dirichlet copula, shape (particles, *logit.shape)."""
    exponential = -torch.log1p(-torch.rand_like(logit.expand(particles, *logit.shape)))
    u = (1 - exponential / exponential.sum(0)) ** (particles - 1)
    rare = u < torch.sigmoid(-logit.abs())
    return (rare == (logit < 0)).to(logit)


def debias(logit: Tensor, particles: int) -> Tensor:
    """1 / (1 - rho) of each coordinate; C(m) / m is formed at once, for m may underflow."""
    root = torch.sigmoid(-logit.abs()) ** (1 / (particles - 1))
    joint = (2 - 1 / root).clamp(min=0) ** (particles - 1)  # C(m) / m
    return torch.sigmoid(logit.abs()) / (1 - joint)
