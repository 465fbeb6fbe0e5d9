"""Noisy codes of the nodes of a binary tree, whose Hamming distance is the distance in the tree.

Node i > 0 has the parent (i - 1) // 2 and its parent's code with bit i - 1 set; the root's code is
all zeros. Two codes then differ in as many bits as there are edges on the path between the nodes.
Each row is the code of a node drawn at random, with each bit flipped with probability 0.05.

x (rows, 62): 63 nodes on 6 levels; 2000 rows in train, 400 in valid and 1000 in test. The nodes
are hidden; `planted` returns them.
Source: Nagano et al. 2019, "A wrapped normal distribution on hyperbolic space", section 5.1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows
from zoo.data.stream import stream

SIZES = (2_000, 400, 1_000)
NAME = "planted_tree"
LEVELS, FLIPPED = 6, 0.05
NODES = 2**LEVELS - 1


class Planted(NamedTuple):
    """Rows and the nodes that they are of.

    Attributes:
        x: bits, shape (rows, 62).
        nodes: numbers of the nodes, the root is 0, shape (rows,).
    """

    x: Tensor
    nodes: Tensor


def codes() -> Tensor:
    """The codes without noise, shape (nodes, nodes - 1), float64."""
    found = torch.zeros(NODES, NODES - 1, dtype=torch.float64)
    for i in range(1, NODES):
        found[i] = found[(i - 1) // 2]
        found[i, i - 1] = 1.0
    return found


def distances() -> Tensor:
    """Number of edges between each two nodes, shape (nodes, nodes), float64."""
    return torch.cdist(codes(), codes(), p=1.0)


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's node and the bits that are flipped.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 62), float64.
    """
    return (_planted(rows, generator).x,)


def planted(seed: int = 0) -> Planted:
    """All rows of the data set of that seed, train first, with their nodes."""
    return _planted(sum(SIZES), stream(seed, NAME))


def _planted(rows: int, generator: torch.Generator) -> Planted:
    nodes = torch.randint(NODES, (rows,), generator=generator)
    uniforms = torch.rand(rows, NODES - 1, generator=generator, dtype=torch.float64)
    return Planted((codes()[nodes] - (uniforms < FLIPPED).double()).abs(), nodes)


load = SimulatedRows(NAME, simulate, SIZES, labels=("x",), levels=2)
