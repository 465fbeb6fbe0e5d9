"""Documents of a corpus whose topics are bars of a 5 by 5 picture; simulated.

x (rows, 25), how often each of 25 words occurs among the 100 words of a document: 1000 documents
in train, 100 in valid and 200 in test. A word is a pixel; each of the ten topics is a row or a
column of the picture, whose five words it uses equally often.
Source: Griffiths & Steyvers (2004), Finding scientific topics, figure 1.
"""

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows

SIZES = (1000, 100, 200)
SIDE, WORDS = 5, 100


def topics() -> Tensor:
    """The planted topics, five rows and five columns of the picture: shape (10, 25), float64."""
    lines = torch.eye(SIDE, dtype=torch.float64)[:, :, None].expand(SIDE, SIDE, SIDE)
    return torch.cat([lines, lines.mT]).reshape(2 * SIDE, -1) / SIDE


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw how each document mixes the topics, evenly over all mixtures, then its words.

    Args:
        rows: Number of documents.
        generator: What to draw from.

    Returns:
        x of shape (rows, 25), float64.
    """
    raw = torch.rand(rows, 2 * SIDE, generator=generator, dtype=torch.float64).log()
    chances = raw / raw.sum(-1, keepdim=True) @ topics()
    words = torch.multinomial(chances, WORDS, replacement=True, generator=generator)
    counts = torch.zeros(rows, SIDE**2, dtype=torch.float64)
    return (counts.scatter_add(1, words, torch.ones_like(words, dtype=torch.float64)),)


load = SimulatedRows("bars", simulate, SIZES, labels=("x",))
