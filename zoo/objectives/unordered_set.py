"""The unordered set estimator: score functions of different states, drawn without replacement.

For the set S of k = `particles` joint states drawn without replacement from q,

    sum_{s in S} grad q(s) R(S, s) ( f(s) - sum_{s' in S} q(s') R_s(S, s') f(s') ),

where R(S, s) is the chance of the rest of S in a world without s over the chance of S, and
R_s(S, s') the same ratio within a world without s, with R_s(S, s) = 1. The inner sum is a
baseline that costs nothing. q(s) R(S, s) sums f over S without bias, also for the model's
gradient. This is leave-one-out averaged over what it would do with the order and the repetitions
of its draws: no evaluation is spent on a state that was drawn already. If S is all states, every
ratio is 1 and the gradient is exact; where there are fewer than k states S is all of them.

The sets are of joint states: of all latents of a row, or of all latents of the model where rows
share one. The latents are to be finite, and independent under the guide given the data, so that
joint states can be drawn without replacement one element after another.

Cost: k evaluations of f, and 2^k sums over the chances of the subsets.
Source: Kool, van Hoof & Welling 2020, "Estimating gradients for discrete random variables by
sampling without replacement".
Topic: Discrete latents.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.enumeration import elements
from zoo.latents.forms import FINITE
from zoo.objectives.finite_choices import Choices, finite_choices
from zoo.objectives.log_ratio import Values, at, unstacked
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate
from zoo.objectives.without_replacement import log_set_chances, sample_states
from zoo.traces import Pair

MOST = 10  # states: the chances of 2^10 subsets


@dataclass(frozen=True)
class UnorderedSet(Objective):
    """The ELBO of finite latents from `particles` different joint states.

    Raises:
        ValueError: for fewer than two particles, or more than 10.

    Example:
        A switch that is worth 3 nats, at p = 1/2. Two different states are all there are, and
        give the exact gradient, where leave-one-out gives 0 or 1.5:

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import UnorderedSet
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
        >>> sorted({step(UnorderedSet(2), seed) for seed in range(4)})
        [0.75]
    """

    particles: int = 4

    def __post_init__(self) -> None:
        way = f"Each state's baseline is made of the others, and 2^{MOST} subsets are the limit."
        keep_whole(self, "particles", least=2, most=MOST, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(FINITE)

    def evaluations(self, latents: Latents) -> int:
        """One a particle, as far as there are joint states."""
        return min(self.particles, joint_states(latents))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        choices = finite_choices(pair, args, kwargs, type(self).__name__)
        count = self.evaluations(pair.latents)
        log_q, values = draw_different(choices, pair.latents, count)
        weights = at(pair, unstacked(values), args, kwargs)
        f = weights.log_w.detach()
        share, baseline = set_weights(log_q, f)
        surrogate = share * ((f - baseline) * weights.log_q_constant + weights.log_p)
        return estimate(weights, (share * f).sum(), surrogate.sum())


def set_weights(log_q: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """q(s) R(S, s) of each state, and its baseline: each of shape (states, rows).

    Args:
        log_q: of each state, nats, shape (states, rows).
        f: at each state, same shape.
    """
    chances = log_set_chances(log_q, torch.log1p(-log_q.exp().sum(0).clamp(max=1.0)))
    every = frozenset(range(len(log_q)))
    rest = [every - {s} for s in sorted(every)]
    share = (log_q + chances.of(rest) - chances.of([every])).exp()
    less = chances.of([one - {s} for one in rest for s in sorted(every)])  # R_s(S, s) = 1
    ratio = less.unflatten(0, (len(rest), -1)) - chances.of(rest)[:, None]
    return share, ((log_q + ratio).exp() * f).sum(1)


def draw_different(
    choices: Mapping[str, Choices], latents: Latents, count: int
) -> tuple[Tensor, Values]:
    """Draws joint states without replacement.

    Args:
        choices: of each site.
        latents: description of the model.
        count: how many, for each row or for all of the data.

    Returns:
        Log q of each, nats, (count, rows), and values by site, (count, *plates, *event).
    """
    laid = {name: _by_row(one.logits.detach(), latents) for name, one in choices.items()}
    log_q = [one for part in laid.values() for one in part.log_softmax(-1).unbind(1)]
    found, classes = sample_states(log_q, count)
    values, at_element = {}, 0
    for name, part in laid.items():
        own = torch.stack(classes[at_element : at_element + part.shape[1]], dim=2)
        at_element += part.shape[1]
        one_hot = own[..., None] == torch.arange(part.shape[-1], device=own.device)
        back = _from_rows(one_hot.to(part), choices[name].logits, latents)
        values[name] = choices[name].values(back)
    return found, values


def _by_row(logits: Tensor, latents: Latents) -> Tensor:
    """(*plates, *elements, classes) -> (rows, elements of a row, classes); one row for all."""
    if not latents.rowwise or latents.row_plate is None:
        return logits.reshape(1, -1, logits.shape[-1])
    rows = latents.nesting + latents.row_plate.dim
    return logits.movedim(rows, 0).reshape(logits.shape[rows], -1, logits.shape[-1])


def _from_rows(value: Tensor, logits: Tensor, latents: Latents) -> Tensor:
    """The way back: (count, rows, elements of a row, classes) -> (count, *shape of logits)."""
    if not latents.rowwise or latents.row_plate is None:
        return value.reshape(len(value), *logits.shape)
    rows = latents.nesting + latents.row_plate.dim
    moved = logits.movedim(rows, 0).shape
    return value.reshape(len(value), *moved).movedim(1, rows + 1)


def joint_states(latents: Latents) -> int:
    """How many joint states a row's latents have, or all latents where rows share one."""
    total = 1
    for site in latents.sites:
        count = math.prod(elements(site, latents))
        if site.local and not latents.rowwise and latents.row_plate is not None:
            count *= latents.row_plate.size
        total *= site.classes**count
    return total
