"""What the models check: the shapes of their data and the sizes of their groups."""

from collections.abc import Sequence

from torch import Tensor


def require_shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    """Refuses data of another shape, which might otherwise broadcast unnoticed.

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


def require_groups(groups: Sequence[int]) -> None:
    """Refuses an empty list of groups, and groups without a latent.

    Raises:
        ValueError: naming the sizes given.
    """
    if not groups or min(groups) < 1:
        raise ValueError(
            f"Expected groups of at least one latent each; got {tuple(groups)}. Give their "
            "sizes, the top group's first, for example (8, 16)."
        )
