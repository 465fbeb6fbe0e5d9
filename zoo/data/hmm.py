"""Many short series, each led by a hidden state that tends to stay what it is; simulated.

Source: the generative process of the hidden Markov model, with the constants of this file.
"""

import torch

from zoo.data.data import Batch, Data
from zoo.data.simulated import draw_rows, normals

SIZES = (400, 50, 100)
LENGTH = 6
STAY = 0.8
MEANS = (-2.0, 0.0, 2.0)
NOISE = 1.0


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw a path of states for each row, then what is seen of it.

    Args:
        rows: Number of series.
        generator: What to draw from.

    Returns:
        x of shape (rows, 6), float64.
    """
    means = torch.tensor(MEANS, dtype=torch.float64)
    states = len(MEANS)
    moves = torch.full((states, states), (1 - STAY) / (states - 1), dtype=torch.float64)
    moves.fill_diagonal_(STAY)
    now = torch.randint(states, (rows,), generator=generator)
    path = [now]
    for _ in range(LENGTH - 1):
        now = torch.multinomial(moves[now], 1, generator=generator)[:, 0]
        path.append(now)
    return (means[torch.stack(path, -1)] + NOISE * normals(generator, rows, LENGTH),)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Draw the series.

    Args:
        seed: Seed of the draw.
        binarize: "none".
        download: Nothing to download: the rows are drawn here.

    Returns:
        x of shape (rows, 6): 400 series in train, 50 in valid and 100 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    return draw_rows("hmm", simulate, SIZES, ("x",), seed, binarize)
