"""Joint states of several discrete variables with the same number of classes."""

import torch
from torch import Tensor


def states_by_number(number: Tensor, variables: int, classes: int) -> Tensor:
    """Joint states in counting order, as 00, 01, 10, 11: the last variable changes fastest.

    Args:
        number: which states, each in 0..classes^variables - 1, int64, shape (states,).
        variables: number of variables.
        classes: number of values of each variable.

    Returns:
        The class of each variable, in 0..classes - 1, int64, shape (states, variables).
    """
    places = classes ** torch.arange(variables - 1, -1, -1, device=number.device)
    return number[:, None] // places % classes
