"""GDReG: the doubly reparameterised gradient, for the parameters of the prior too.

With w_k = p(x, z_k) / q(z_k), v_k = w_k / sum_j w_j and z_k = g(noise_k; phi) the gradient in
phi is that of DReG. It takes all layers of latents for one function of the noise, and so holds
for layers that depend on each other as it stands:

    phi:    sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi).

For the prior p(z_l | z_above; theta) of each layer l, z_l is taken for T_l(e_l; theta), as if
that prior had drawn it with the noise e_l = T_l^-1(z_l). Its score function, reparameterised with
all other layers held, becomes

    theta:  sum_k v_k [ (1 - v_k) d log w_k / d z_l + d (log q - log p(z_l | z_above)) / d z_l ]
                  d T_l(e_l; theta) / d theta,

derivatives at z_k with all parameters constant. With one layer the bracket times v_k is
v_k d log p(x | z_k) / d z_k - v_k^2 d log w_k / d z_k. What theta does to log p(x | z) itself is
added as in DReG, sum_k v_k grad log p(x | z_k).

Its noise in the prior's parameters is below that of the score function where the data say little
of a latent, d log p(x | z) / d z being small, and above it where they say much: in the model
z ~ N(theta, 1), x ~ N(z, s^2) at q the posterior, by the factor s^-4.

Cost: K evaluations of f and a gradient of it in z each; q is scored twice.
Source: Bauer & Mnih 2021, "Generalized doubly reparameterized gradient estimators".
Topic: Bounds of several draws.
"""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from pyro.poutine.runtime import Message
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.dreg import second_share
from zoo.objectives.frozen import frozen
from zoo.objectives.log_ratio import Values, spread
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.prior_paths import as_drawn_by_prior, without_path
from zoo.objectives.scored_again import (
    constant,
    draw_unscored,
    kl_weight,
    require_given,
    score_again,
    times,
)
from zoo.objectives.scored_draws import estimate
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import (
    Pair,
    Traces,
    Weights,
    add_up,
    log_mean_exp,
    sample_sites,
    sum_plates,
    weigh,
)


@dataclass(frozen=True)
class GeneralisedDoublyReparameterised(Objective):
    """The importance-weighted bound of K = `particles`; both gradients reparameterised twice.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        The data say nothing, and the guide is the exact posterior, the prior. The step of the
        prior's mean has no noise, where the score function's is random:

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import DoublyReparameterised, GeneralisedDoublyReparameterised
        >>> def model():
        ...     pyro.sample("z", dist.Normal(pyro.param("mean", torch.tensor(0.0)), 1.0))
        >>> def guide():
        ...     pyro.sample("z", dist.Normal(0.0, 1.0))
        >>> def step(objective):
        ...     fit = zoo.fit(model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0)
        ...     return fit.program.store.values[0].item()
        >>> step(GeneralisedDoublyReparameterised(5)) == 0, step(DoublyReparameterised(5)) == 0
        (True, False)
    """

    particles: int = 5

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(
            reparameterised=True, row_weights=True, nonlinear=True, density=True, given=True
        )

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.particles))

    def objection(self, latents: Latents) -> str | None:
        """It knows how priors of some families draw."""
        return without_path(latents, type(self).__name__)

    def evaluations(self, latents: Latents) -> int:
        """One a particle, and one gradient in z."""
        return 2 * self.particles

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        latents, who = pair.latents, type(self).__name__
        drawn = draw_unscored(pair, self.particles, args, kwargs)
        require_given(drawn, latents, who)
        weights, scored = _score(pair, drawn, self.particles // len(drawn), args, kwargs)
        v = weights.log_w.detach().softmax(0)
        terms = [(v * weights.log_p).sum()]
        for part, before, one in zip(v.split(len(v) // len(drawn)), drawn, scored, strict=True):
            terms += [_along_guide(part, before, one, latents), _along_prior(part, one, latents)]
        return estimate(weights, log_mean_exp(weights.log_w).sum(), add_up(terms))


@dataclass(frozen=True)
class Scored:
    """One run at draws that are constants for autograd, with derivatives in them by site.

    Attributes:
        traces: of the run.
        log_w: derivatives of log w.
        log_q: of log q.
        own: of the prior's log-density of that site alone.
    """

    traces: Traces
    log_w: Values
    log_q: Values
    own: Values


def _score(
    pair: Pair, drawn: Sequence[Traces], each: int, args: tuple, kwargs: dict
) -> tuple[Weights, list[Scored]]:
    """Scores the guide's draws as constants: the weights, and derivatives in the draws.

    Args:
        pair: the model and the guide.
        drawn: runs of the guide.
        each: particles in a run.
        args: arguments of both.
        kwargs: their keyword arguments.
    """
    still, runs = replace(pair, guide=frozen(pair.guide)), list[Traces]()
    with torch.enable_grad():  # a validation loss is taken without
        for traces in drawn:
            runs += score_again(still, [traces], each, args, kwargs, _leaf)
        weights = weigh(runs, pair.latents, rowwise=pair.latents.rowwise)
        log_w = weights.log_w.sum()
        return weights, [_differentiated(one, log_w) for one in runs]


def _leaf(site: Message) -> Tensor:
    return constant(site).requires_grad_()


def _differentiated(run: Traces, log_w: Tensor) -> Scored:
    guided = sample_sites(run.guide)
    leaves: dict[str, Any] = {str(site["name"]): site["value"] for site in guided}
    log_q = add_up(site["unscaled_log_prob"].sum() for site in guided)
    log_p = {name: run.model.nodes[name]["unscaled_log_prob"].sum() for name in leaves}
    own = [_slopes(log_p[name], {name: leaf}) for name, leaf in leaves.items()]
    return Scored(run, _slopes(log_w, leaves), _slopes(log_q, leaves), dict(ChainMap(*own)))


def _slopes(value: Tensor, leaves: Values) -> Values:
    """Derivatives of a value in each leaf; 0 where it does not depend on it, as of a uniform q."""
    if not value.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    inputs = list(leaves.values())
    found = torch.autograd.grad(value, inputs, retain_graph=True, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def _along_guide(v: Tensor, drawn: Traces, run: Scored, latents: Latents) -> Tensor:
    """Sum of v_k^2 (d log w_k / d z_k) z_k, where z_k is the guide's draw: shape ().

    Args:
        v: shares of the run's weights, constants, shape (particles of the run, rows).
        drawn: the guide's run, whose draws depend on its parameters.
        run: the same draws, scored.
        latents: description of the model.
    """
    terms = []
    for site in sample_sites(drawn.guide):
        value, slope = site["value"], run.log_w[str(site["name"])]
        assert isinstance(value, Tensor)
        laid = spread(v, latents, latents[str(site["name"])])
        share = laid * second_share(laid, kl_weight(site, latents).to(value))
        terms.append(((share * slope).reshape(value.shape) * value).sum())
    return add_up(terms)


def _along_prior(v: Tensor, run: Scored, latents: Latents) -> Tensor:
    """What takes the place of the scores of all priors, which it subtracts, shape ().

    Args:
        v: shares of the run's weights, constants, shape (particles of the run, rows).
        run: the run.
        latents: description of the model.
    """
    terms = []
    for name, slope in run.log_w.items():
        site = run.traces.model.nodes[name]
        laid = spread(v, latents, latents[name])
        force = laid * ((1 - laid) * slope + run.log_q[name] - run.own[name])
        z = as_drawn_by_prior(site)
        score = sum_plates(site["log_prob"], site, latents, keep_rows=latents.rowwise)
        score = score / times(site, latents)
        force = kl_weight(site, latents).to(z) * force
        terms.append((force.reshape(z.shape) * z).sum() - (v * score).sum())
    return add_up(terms)
