"""How the parameters of a captured step move, given their gradients."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from zoo.compile.flat_parameters import FlatParameters
from zoo.optim.functional import RULES, Rates, Rule
from zoo.optim.natural import NATURAL, NaturalRule
from zoo.optim.turns import ALWAYS, Turn
from zoo.optim.update import Update

Tensors = tuple[Tensor, ...]
Moments = tuple[Tensors, ...]  # by name, of all parts
Move = Callable[[Tensors, Tensors, Moments, Rates, Tensor], tuple[Tensors, Moments]]


def rule_of(update: Update) -> Rule | NaturalRule:
    """The rule by which parameters move."""
    name = update.optimizer
    return NATURAL[name] if name in NATURAL else RULES[name]


def move_of(update: Update, layout: FlatParameters, turns: Sequence[Turn]) -> Move:
    """A function (parts, gradients, moments, rates, step) -> (parts, moments).

    Args:
        update: how parameters move.
        layout: which parameters there are.
        turns: of each part.
    """
    rule = rule_of(update)
    if isinstance(rule, NaturalRule):
        return _of_normals(rule, layout)
    return _one_by_one(rule, update.weight_decay, turns)


def _one_by_one(rule: Rule, decay: float, turns: Sequence[Turn]) -> Move:
    def move(
        parts: Tensors, gradients: Tensors, moments: Moments, rates: Rates, step: Tensor
    ) -> tuple[Tensors, Moments]:
        moved = []
        for turn, p, g, *own_moments in zip(turns, parts, gradients, *moments, strict=True):
            own = rates if turn == ALWAYS else rule.rates(turn.count(step), rates[0] * turn.rate)
            new = rule.apply(p, g, tuple(own_moments), _beside(own, p), decay)
            old = (p, tuple(own_moments))
            moved.append(new if turn.every == 1 else _where(turn.due(step), new, old))
        return tuple(part for part, _ in moved), tuple(zip(*(m for _, m in moved), strict=True))

    return move


def _of_normals(rule: NaturalRule, layout: FlatParameters) -> Move:
    """Of normals, whose means and scales move together, be they in one vector or apart."""
    sizes = [prod(shape) for shape in layout.shapes]

    def move(
        parts: Tensors, gradients: Tensors, moments: Moments, rates: Rates, step: Tensor
    ) -> tuple[Tensors, Moments]:
        whole = len(parts) < len(sizes)
        if whole:
            parts, gradients = parts[0].split(sizes, -1), gradients[0].split(sizes, -1)
            moments = tuple(moment[0].split(sizes, -1) for moment in moments)
        own = _beside(rates, parts[0])
        by_part = tuple(zip(*moments, strict=True))
        parts, by_part = rule.apply(layout.normals, parts, gradients, by_part, own)
        moments = tuple(zip(*by_part, strict=True))
        if whole:
            parts = (torch.cat(parts, -1),)
            moments = tuple((torch.cat(moment, -1),) for moment in moments)
        return parts, moments

    return move


def _where(due: Tensor, new: tuple[Tensor, Tensors], old: tuple[Tensor, Tensors]) -> tuple:
    """The new parameters and averages where the part moves, else the old ones."""
    moments = tuple(torch.where(due, a, b) for a, b in zip(new[1], old[1], strict=True))
    return torch.where(due, new[0], old[0]), moments


def _beside(rates: Rates, part: Tensor) -> Rates:
    """The rates, shaped to multiply a part: with replicas, each has a rate of its own."""
    return tuple(r.reshape(r.shape + (1,) * (part.dim() - 1)) if r.dim() else r for r in rates)
