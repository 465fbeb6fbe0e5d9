"""DisARM for categorical latents: each is a path of binary decisions down a balanced tree.

A latent of C classes is drawn by the C - 1 nodes of a binary tree, whose leaves are the classes.
Node n goes right with probability p_n = sigmoid(l_n), where

    l_n = log( sum of q over the leaves on its right ) - log( sum of q over those on its left ).

Two draws z and z' share the noise of every node, as in DisARM: b_n = 1[u_n < p_n] and
b'_n = 1[1 - u_n < p_n]. With the noise summed out given z and z', the gradient in l_n is
( f(z) - f(z') ) / 2 times

    (b_n - b'_n) sigmoid(|l_n|)    where both paths pass the node,
    b_n - p_n                      where z alone does,
    p_n - b'_n                     where z' alone does, and 0 elsewhere.

With two classes the tree has one node, and this is DisARM. The paper has three estimators for
categorical latents; this is its DisARM-Tree. In its DisARM-SB the tree is a chain, which asks for
one class after the other: a draw then takes up to C - 1 decisions, not log2 C, and the variance
depends on the order of the classes.

Cost: two evaluations of f for each pair.
Source: Dong, Mnih & Tucker 2021, "Coupled gradient estimators for discrete latent variables".
Topic: Discrete latents.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.forms import FINITE
from zoo.objectives.antithetic import Antithetic, draw_twice
from zoo.objectives.finite_choices import finite_choices
from zoo.objectives.log_ratio import at, spread, unstacked
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate_mean
from zoo.traces import Pair, add_up


@dataclass(frozen=True)
class DisARMTree(Objective):
    """The ELBO of finite latents from `pairs` coupled pairs, the mean of their estimates.

    Raises:
        ValueError: for fewer than one pair.

    Example:
        Two of three equally likely classes are worth 3 nats. The gradient in the first logit is
        -2/3, in the other two 1/3; two pairs of an estimate come out by chance, and their mean is
        right.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import DisARMTree
        >>> def model():
        ...     z = pyro.sample("z", dist.Categorical(torch.ones(3)))
        ...     pyro.factor("gain", torch.tensor([0.0, 3.0, 3.0])[z])
        >>> def guide():
        ...     logits = pyro.param("logits", torch.zeros(3))
        ...     pyro.sample("z", dist.Categorical(logits=logits))
        >>> objective = DisARMTree(pairs=20_000)
        >>> fit = zoo.fit(model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0)
        >>> [round(value, 1) for value in fit.program.store.values[0].tolist()]
        [-0.7, 0.3, 0.3]
    """

    pairs: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "pairs", way="Two draws share their noise: pass pairs=1 or more.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(FINITE)

    def evaluations(self, latents: Latents) -> int:
        """Two for each pair."""
        return 2 * self.pairs

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        choices, count = finite_choices(pair, args, kwargs, type(self).__name__), self.pairs
        drawn = {name: coupled(one.logits, count) for name, one in choices.items()}
        values = {n: choices[n].values(torch.cat([one.z, one.z2])) for n, one in drawn.items()}
        weights = at(pair, unstacked(values), args, kwargs)
        f, terms = weights.log_w.detach(), []
        for name, one in drawn.items():
            difference = spread(f[:count] - f[count:], pair.latents, pair.latents[name])
            gradient = (choices[name].by_element(difference) * one.weight).mean(0)
            terms.append((gradient * one.logit).sum())
        return estimate_mean(weights, add_up(terms))


class Coupled(NamedTuple):
    """Pairs of draws of a site's elements.

    Attributes:
        logit: l of every node, (*plates, *elements, nodes).
        z: the first draw of each pair, one-hot, (pairs, *plates, *elements, classes).
        z2: the second, same shape.
        weight: of f(z) - f(z') in each l, (pairs, *plates, *elements, nodes).
    """

    logit: Tensor
    z: Tensor
    z2: Tensor
    weight: Tensor


def coupled(logits: Tensor, count: int) -> Coupled:
    """Draws of independent elements with these logits, (*plates, *elements, classes)."""
    left, right = (side.to(logits.device) for side in balanced_tree(logits.shape[-1]))
    l_n = _log_sum(logits, right) - _log_sum(logits, left)
    fixed = l_n.detach()
    draws = draw_twice(fixed, torch.rand_like(fixed.expand(count, *fixed.shape)))
    z, z2 = (reached(b, left, right) for b in (draws.one, draws.two))
    weight = node_weights(draws, *(one @ (left | right).mT.to(one) for one in (z, z2)))
    return Coupled(l_n, z, z2, weight)


def node_weights(draws: Antithetic, passed: Tensor, passed2: Tensor) -> Tensor:
    """The weight of f(z) - f(z') in each node's logit.

    Args:
        draws: the decisions of all nodes.
        passed: does the path to z pass the node? 1 or 0, shaped as the decisions.
        passed2: the same for z'.
    """
    p, sure = draws.logit.sigmoid(), draws.logit.abs().sigmoid()
    both = passed * passed2 * (draws.one - draws.two) * sure
    alone = passed * (1 - passed2) * (draws.one - p)
    return (both + alone - passed2 * (1 - passed) * (draws.two - p)) / 2


def reached(b: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The class at which decisions b, (..., nodes), arrive, one-hot (..., classes)."""
    goes = b.unsqueeze(-1) > 0
    agrees = ~(left | right) | (right & goes) | (left & ~goes)
    return agrees.all(-2).to(b.dtype)


def balanced_tree(classes: int) -> tuple[Tensor, Tensor]:
    """Which classes lie to the left and to the right of each node, (classes - 1, classes) each."""
    left = torch.zeros(classes - 1, classes, dtype=torch.bool)
    right, waiting = left.clone(), [(0, classes)]
    for node in range(classes - 1):
        start, end = waiting.pop()
        middle = (start + end) // 2
        left[node, start:middle] = True
        right[node, middle:end] = True
        waiting += [part for part in ((middle, end), (start, middle)) if part[1] - part[0] > 1]
    return left, right


def _log_sum(logits: Tensor, chosen: Tensor) -> Tensor:
    """Log of the sum of exp(logits) over the classes chosen by each node, (..., nodes)."""
    return logits.unsqueeze(-2).masked_fill(~chosen, -torch.inf).logsumexp(-1)
