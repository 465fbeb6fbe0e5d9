"""Piano rolls of chord progressions, of several lengths; simulated, with a known log p(x).

A hidden chord of C major (I, ii, iii, IV, V or vi) moves by the chances below, from I at first.
Each of its three notes sounds with probability 0.7, each of the other 14 notes with 0.1: a single
time does not tell the chord. Lengths are 4 to 10, equally likely.

x (rows, 10, 17) of zeros and ones, the notes from C to the E an octave above, zeros after a row's
end; seen (rows, 10), ones up to there. 800 rows in train, 100 in valid and 200 in test.
Source: the constants of this file. Polyphonic rolls are what Boulanger-Lewandowski, Bengio and
Vincent (2012), Modeling temporal dependencies in high-dimensional sequences, introduced.
"""

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows

SIZES = (800, 100, 200)
LENGTH, SHORTEST, NOTES = 10, 4, 17
SOUNDS, NOISE = 0.7, 0.1
CHORDS = ((0, 4, 7), (2, 5, 9), (4, 7, 11), (5, 9, 12), (7, 11, 14), (9, 12, 16))
MOVES = (  # tenths, from row to column
    (4, 1, 0, 2, 2, 1),
    (0, 4, 1, 0, 5, 0),
    (0, 1, 4, 2, 0, 3),
    (2, 1, 0, 4, 3, 0),
    (4, 0, 0, 1, 4, 1),
    (0, 3, 1, 2, 0, 4),
)


def sounding() -> Tensor:
    """Probability of each note in each chord: (chords, notes), float64."""
    chance = torch.full((len(CHORDS), NOTES), NOISE, dtype=torch.float64)
    for chord, notes in zip(chance, CHORDS, strict=True):
        chord[list(notes)] = SOUNDS
    return chance


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw a length and a progression for each row, then its notes.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 10, 17) and seen of shape (rows, 10), float64.
    """
    moves = torch.tensor(MOVES, dtype=torch.float64) / 10
    path = [torch.zeros(rows, dtype=torch.long)]
    for _ in range(LENGTH - 1):
        path.append(torch.multinomial(moves[path[-1]], 1, generator=generator)[:, 0])
    chance = sounding()[torch.stack(path, 1)]
    notes = torch.rand(chance.shape, generator=generator, dtype=torch.float64) < chance
    lengths = torch.randint(SHORTEST, LENGTH + 1, (rows, 1), generator=generator)
    seen = (torch.arange(LENGTH) < lengths).double()
    return notes * seen[:, :, None], seen


def log_evidence(x: Tensor, seen: Tensor) -> Tensor:
    """Log p(x) of the process that made the rows, by the forward algorithm.

    Args:
        x: shape (rows, T, 17).
        seen: shape (rows, T).

    Returns:
        Nats, shape (rows,), float64.
    """
    log_moves, chance = (torch.tensor(MOVES, dtype=torch.float64) / 10).log(), sounding()
    x, message = x.double()[:, :, None], torch.full((len(CHORDS),), -torch.inf).double()
    message[0] = 0.0
    scores = (x * chance.log() + (1 - x) * (1 - chance).log()).sum(-1) * seen[:, :, None]
    messages = message + scores[:, 0]
    for t in range(1, x.shape[1]):
        moved = (messages[:, :, None] + log_moves).logsumexp(1)
        messages = torch.where(seen[:, t, None] > 0, moved + scores[:, t], messages)
    return messages.logsumexp(-1)


load = SimulatedRows("chords", simulate, SIZES, labels=("x", "seen"))
