"""The masks of an autoregressive network that reads a context, as Pyro's network has them."""

import numpy as np


def masks(size: int, context: int, hidden: int, *, reverse: bool) -> list[np.ndarray]:
    """Of the hidden layer (hidden, context + size) and of the outputs (2 * size, hidden).

    Value i may depend on the context and on the values before it, from the last one backwards if
    `reverse`. The outputs are `size` means, then as many gates.
    """
    place = np.arange(1, size + 1)[:: -1 if reverse else 1]
    inputs = np.concatenate([np.zeros(context), place])
    units = np.round(np.linspace(1, size, hidden)) - 1
    outputs = np.tile(place, 2)
    pairs = (units[:, None] >= inputs, outputs[:, None] > units)
    return [np.asarray(pair, np.float32) for pair in pairs]
