"""Many short series, each led by a hidden state that tends to stay what it is; simulated.

x (rows, 6): 400 series in train, 50 in valid and 100 in test.
Source: the generative process of the hidden Markov model, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (400, 50, 100)
LENGTH = 6
STAY_PROBABILITY = 0.8
MEANS = (-2.0, 0.0, 2.0)
NOISE_SCALE = 1.0


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
    moves = torch.full(
        (states, states), (1 - STAY_PROBABILITY) / (states - 1), dtype=torch.float64
    )
    moves.fill_diagonal_(STAY_PROBABILITY)
    now = torch.randint(states, (rows,), generator=generator)
    path = [now]
    for _ in range(LENGTH - 1):
        now = torch.multinomial(moves[now], 1, generator=generator)[:, 0]
        path.append(now)
    return (means[torch.stack(path, -1)] + NOISE_SCALE * normals(generator, rows, LENGTH),)


load = SimulatedRows("hmm", simulate, SIZES, labels=("x",))
