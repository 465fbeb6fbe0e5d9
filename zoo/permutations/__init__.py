"""Permutations: their support, all of them in order, and distributions over them."""

from zoo.permutations.each import EachPermutation, matching
from zoo.permutations.insertion import RepeatedInsertion
from zoo.permutations.mallows import Mallows
from zoo.permutations.plackett_luce import PlackettLuce
from zoo.permutations.sinkhorn import best_matching, sinkhorn
from zoo.permutations.support import MOST_ITEMS, as_matrix, every_permutation, permutation
from zoo.permutations.uniform import UniformPermutation

__all__ = [
    "MOST_ITEMS",
    "EachPermutation",
    "Mallows",
    "PlackettLuce",
    "RepeatedInsertion",
    "UniformPermutation",
    "as_matrix",
    "best_matching",
    "every_permutation",
    "matching",
    "permutation",
    "sinkhorn",
]
