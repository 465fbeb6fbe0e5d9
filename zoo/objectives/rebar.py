"""REBAR: the score function with a relaxed f as its control variate; unbiased.

The draw b is the threshold of a real z; z~ is a second one given b (see zoo.objectives.concrete).
With c(z) = eta f( sigma_tau(z) ), f relaxed at temperature tau, the gradient in the logits is

    ( f(b) - c(z~) ) grad log q(b)  +  grad c(z)  -  grad c(z~),

the last two through z and z~. It is unbiased at every tau and eta; both are learned, as
log tau and eta descend the squared gradient. f is a fixed function of its argument, and must be
defined between 0 and 1.

Departs from the paper: the noises of z and z~ are independent, where coupled ones, with z~ = z in
value, need f at two points instead of three; sigma_tau lacks the term that makes
it MuProp as tau grows; one tau and one eta serve all latents.

Cost: 3 evaluations of f, and a gradient in z of two of them, which is differentiated once more.
Source: Tucker, Mnih, Maddison, Lawson & Sohl-Dickstein 2017, "REBAR: low-variance, unbiased
gradient estimates for discrete latent variable models".
Topic: Score function.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.latents import Latents
from zoo.latents.forms import RELAXABLE
from zoo.objectives.concrete import (
    Between,
    draw_given,
    draw_real,
    finite_latents,
    noise,
    relax,
    score_gradient,
    threshold,
)
from zoo.objectives.control_variates import self_tuned
from zoo.objectives.frozen import frozen
from zoo.objectives.log_ratio import Values, at, spread, unstacked
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate_mean
from zoo.traces import Pair

Control = Callable[[list[Values]], Tensor]


class Relaxation(nn.Module):
    """The learned numbers log tau and eta."""

    def __init__(self, temperature: float, scale: float) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.eta = nn.Parameter(torch.tensor(scale))

    def forward(self) -> tuple[Tensor, Tensor]:
        """The temperature tau and the scale eta, each of shape ()."""
        return self.log_temperature.exp(), self.eta


@dataclass(frozen=True)
class REBAR(Objective):
    """The ELBO of binary or one-hot latents; tau starts at `temperature`, eta at `scale`.

    The estimates of `particles` draws are averaged.

    Raises:
        ValueError: for a temperature that is not positive, or fewer than one particle.

    Example:
        The temperature and the scale of the control variate learn while the guide does:

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import REBAR
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> fit = zoo.fit(model, guide, objective=REBAR(temperature=0.5, scale=1.0), steps=20)
        >>> tau, eta = fit.program.state()
        >>> bool(tau != 0.5), bool(eta != 1.0)
        (True, True)
    """

    temperature: float = 0.5
    scale: float = 1.0
    particles: int = 1

    def __post_init__(self) -> None:
        keep_number(self, "temperature", above=0.0, way="A learned one starts there: use 0.5.")
        keep_number(self, "scale")
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(RELAXABLE)

    def evaluations(self, latents: Latents) -> int:
        """Three for each particle, and two gradients in z."""
        return (3 + 2) * self.particles

    def state(self, latents: Latents) -> Relaxation:
        """The temperature and the scale."""
        return Relaxation(self.temperature, self.scale)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        tau, eta = state()

        def control(relaxed: list[Values]) -> Tensor:
            return eta * relaxed_f(pair, relaxed, args, kwargs)

        return controlled_loss(
            pair, control, tau, self.particles, args, kwargs, type(self).__name__
        )


def controlled_loss(
    pair: Pair, control: Control, tau: Tensor, count: int, args: tuple, kwargs: dict, who: str
) -> Tensor:
    """Negative ELBO with c(z) = control(sigma_tau(z)) for a control variate, nats, shape ().

    Args:
        pair: the model and the guide.
        control: c of some relaxed draws, shape (len(draws), rows); of no parameters but the
            estimator's own.
        tau: temperature, shape ().
        count: number of draws whose estimates are averaged.
        args: arguments of both.
        kwargs: their keyword arguments.
        who: the objective that asks, for messages.
    """
    latents, guided = pair.latents, finite_latents(pair, args, kwargs, who)
    leaves = {
        n: one._replace(logits=one.logits.detach().requires_grad_()) for n, one in guided.items()
    }
    z = {n: draw_real(q, noise(q, count)) for n, q in leaves.items()}
    b = {n: threshold(q, z[n]) for n, q in leaves.items()}
    z_tilde = {n: draw_given(q, b[n], noise(q, count)) for n, q in leaves.items()}
    both = {n: relax(q, torch.cat((z[n], z_tilde[n])), tau) for n, q in leaves.items()}
    c, c_tilde = control(unstacked(both)).split(count)
    logits = [q.logits for q in leaves.values()]
    paths = torch.autograd.grad((c - c_tilde).sum() / count, logits, create_graph=True)
    weights = at(pair, unstacked(b), args, kwargs)
    f = weights.log_w.detach()
    gradient = {}
    for (n, q), path in zip(leaves.items(), paths, strict=True):
        left = spread(f - c_tilde, latents, latents[n])
        gradient[n] = (left * score_gradient(q, b[n])).mean(0) + path
    of_guide = self_tuned(gradient, {n: q.logits for n, q in guided.items()})
    return estimate_mean(weights, of_guide)


def relaxed_f(pair: Pair, relaxed: list[Values], args: tuple, kwargs: dict) -> Tensor:
    """Scores draws between 0 and 1, model and guide constant: nats, (len(relaxed), rows)."""
    still = replace(pair, model=frozen(pair.model), guide=frozen(pair.guide))
    with Between():
        return at(still, relaxed, args, kwargs).log_w
