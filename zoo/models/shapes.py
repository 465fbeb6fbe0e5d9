"""The one check that the models make of their data."""

from torch import Tensor


def require_shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    """Refuses data of another shape, which could broadcast without a word.

    Args:
        name: what to call the value in the message.
        value: the data.
        expected: its only acceptable shape.

    Raises:
        ValueError: the shapes differ.
    """
    if tuple(value.shape) != expected:
        raise ValueError(
            f"Expected {name} of shape {expected}; got {tuple(value.shape)}. "
            f"Reshape {name}, or build the model for that size."
        )
